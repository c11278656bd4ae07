// SPDX-License-Identifier: Apache-2.0
// What the server says in English, as people of the current language read it: errors by their
// code, explanations by their pattern. What is not known stays as the server said it.
import i18next from "i18next";
import type { Failure } from "./api";

type Korean = {
  errors: Record<string, [title: string, hint: string]>;
  sentences: [RegExp, string][];
  values: [RegExp, string][];
};
let korean: Korean | null = null;
const isKorean = () => i18next.language === "ko" && korean !== null;

/** "It waits for {} of {}." as an expression that finds the values. */
function pattern(template: string): RegExp {
  const parts = template.split("{}").map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"));
  return new RegExp(`^${parts.join("([\\s\\S]*?)")}$`);
}

/** To be awaited before a page in Korean is shown; without it a page is in the server's words. */
export async function loadKorean(): Promise<void> {
  if (korean) return;
  try {
    const [{ errorsKo }, { sentencesKo, valuesKo }] =
      await Promise.all([import("./locales/errors_ko"), import("./locales/sentences_ko")]);
    korean = {
      errors: errorsKo, values: valuesKo,
      // what says more about a sentence is tried first
      sentences: Object.entries(sentencesKo).sort(([a], [b]) => b.length - a.length)
        .map(([from, to]) => [pattern(from), to]),
    };
  } catch {
    // the server's words will do
  }
}

function value(text: string): string {
  let out = text;
  for (const [from, to] of (korean as Korean).values) out = out.replace(from, to);
  return out;
}

/** One sentence of an explanation; `lang` is the language that it came out in. */
export function told(line: string): { text: string; lang: "ko" | "en" } {
  if (!isKorean()) return { text: line, lang: "en" };
  for (const [from, to] of (korean as Korean).sentences) {
    const found = from.exec(line);
    if (found) {
      return { lang: "ko",
        text: to.replace(/\{(\d)\}/g, (_, n: string) => value(found[Number(n) + 1] ?? "")) };
    }
  }
  const named = /^([\w.-]+): (.+)$/.exec(line); // "MODEL: why it was taken"
  if (named) {
    const rest = told(named[2] as string);
    if (rest.lang === "ko") return { lang: "ko", text: `${named[1]}: ${rest.text}` };
  }
  return { text: line, lang: "en" };
}

// Where clients of OpenAI's API get its word instead of ours.
const OPENAI: Record<string, string> = {
  context_length_exceeded: "E0731", model_not_found: "E0710", overloaded: "E0713",
  model_in_use: "E0715", previous_response_not_found: "E0755", insufficient_privileges: "E0761",
  remote_unavailable: "E0772",
};
export const codeOf = (code: string) => (/^E\d{4}$/.test(code) ? code : OPENAI[code] ?? "");

/** Title and hint of an error in Korean; null where the server's words are all there is. */
export function koreanError(error: Failure & { status?: number; local?: boolean }) {
  if (!isKorean() || error.local) return null;
  const known = (korean as Korean).errors[error.code ?? ""];
  if (known) return { title: known[0], hint: known[1] };
  const title = error.status !== undefined && i18next.exists(`http.${error.status}`)
    ? i18next.t(`http.${error.status}`) : i18next.t("error.title");
  return { title, hint: "" };
}
