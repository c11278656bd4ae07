// SPDX-License-Identifier: Apache-2.0
// The words of the workflow format that the editor offers: those of the schema that the server
// publishes. What is right the server says; these only save typing.
import { get } from "../api";

interface Part {
  properties?: Record<string, Part>;
  enum?: string[];
  const?: string;
  allOf?: { if: { properties: { type: Part } }; then: { properties: { parameters: { $ref: string } } } }[];
}

export interface Words {
  keys: string[];
  stepKeys: string[];
  types: string[];
  parameters: Record<string, string[]>;
}

function wordsOf(schema: Part & { $defs: Record<string, Part> }): Words {
  const step = schema.$defs.step ?? {};
  const parameters: Record<string, string[]> = {};
  for (const rule of step.allOf ?? []) {
    const { $ref } = rule.then.properties.parameters;
    const part = schema.$defs[$ref.slice($ref.lastIndexOf("/") + 1)];
    const type = rule.if.properties.type;
    for (const name of type.enum ?? [type.const as string]) {
      parameters[name] = Object.keys(part?.properties ?? {});
    }
  }
  return { keys: Object.keys(schema.properties ?? {}), stepKeys: Object.keys(step.properties ?? {}),
    types: Object.keys(parameters), parameters };
}

let known: Promise<Words> | null = null;
export const words = () =>
  known ??= get<Part & { $defs: Record<string, Part> }>("/workflow.schema.json").then(wordsOf)
    .catch((error: unknown) => {
      known = null;  // asked again with the next word
      throw error;
    });
