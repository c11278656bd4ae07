// SPDX-License-Identifier: Apache-2.0
// Starts a workflow with an input that its schema describes.
import type { TFunction } from "i18next";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { type Definition, post, type Schema, toldHere } from "../api";
import { useData } from "../hooks";
import { navigate } from "../router";
import { Dialog, Field, Segmented } from "./basics";
import { initialValue, SchemaFields } from "./schema_form";

export function parsedObject(text: string, t: TFunction) {
  let value: unknown;
  try {
    value = JSON.parse(text.trim() || "{}");
  } catch (error) {
    throw toldHere(t("form.not_json", { message: (error as Error).message }));
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw toldHere(t("form.object"));
  }
  return value as Record<string, unknown>;
}

/** Lists leave the schema of a stored workflow out: then it is asked for first. */
export function RunDialog({ definition, onClose }: {
  definition: Definition; onClose: () => void;
}) {
  const { id, input } = definition;
  const whole = useData<Definition>(
    input === undefined ? `/definitions/${encodeURIComponent(id)}` : null);
  if (input !== undefined) return <StartDialog id={id} input={input} onClose={onClose} />;
  if (!whole.data) return null;
  return <StartDialog id={id} input={whole.data.input ?? null} onClose={onClose} />;
}

function StartDialog({ id, input, onClose }: {
  id: string; input: Schema | null; onClose: () => void;
}) {
  const { t } = useTranslation();
  const described = Object.keys(input?.properties ?? {}).length > 0;
  const [mode, setMode] = useState<"form" | "json">(described ? "form" : "json");
  const [value, setValue] = useState<Record<string, unknown>>(initialValue(input ?? {}));
  const [text, setText] = useState("{}");
  const [priority, setPriority] = useState(1);
  // one key for this dialog: sending twice starts one run
  const [key] = useState(() => crypto.randomUUID());
  const change = (next: "form" | "json") => {
    if (next === "json") setText(JSON.stringify(value, null, 2));
    else setValue(parsedObject(text, t));
    setMode(next);
  };
  const start = async () => {
    const input_data = mode === "form" ? value : parsedObject(text, t);
    const started = await post<{ task_id: string }>("/workflows/execute",
      { workflow_id: id, input_data, priority }, { "Idempotency-Key": key });
    navigate(`/ui/runs/${started.task_id}`);
  };
  return (
    <Dialog title={t("workflow.run_title", { id })} confirm={t("workflow.start")} onClose={onClose}
      onConfirm={start}>
      {described && <div><Segmented label={t("run.input")} value={mode} onChange={change}
        options={[["form", t("workflow.as_form")], ["json", t("workflow.as_json")]]} /></div>}
      {mode === "form"
        ? <SchemaFields schema={input ?? {}} value={value} onChange={setValue} />
        : <Field label={t("run.fork_input")} hint={described ? undefined : t("form.none")}>
            {(ids) => <textarea {...ids} className="area code" spellCheck={false} value={text}
              onChange={(event) => setText(event.target.value)} />}
          </Field>}
      <Field label={t("workflow.priority")}>
        {(ids) => <input {...ids} className="input num" type="number" min={1} max={100}
          value={priority} onChange={(event) => setPriority(Number(event.target.value))} />}
      </Field>
    </Dialog>
  );
}
