// SPDX-License-Identifier: Apache-2.0
// A workflow from a description: a model drafts it on the server, and what comes is shown while it
// is written. The draft goes into the editor; nothing is stored before somebody has read it.
import { useEffect, useRef, useState } from "react";
import { useTranslation } from "react-i18next";
import { errorFrom, type ModelState, type Page, type ProblemBody, toldHere } from "../api";
import { postEvents } from "../events";
import { integer, modelName } from "../format";
import { useData } from "../hooks";
import { navigate } from "../router";
import { Dialog, Field } from "./basics";
import { Icon } from "./icon";

/** What the editor is opened with. */
export type Draft = { text: string; model: string; description: string };
type Answer = { text: string; model: string };

/** A text of JSON that may not be complete yet. */
function unquoted(text: string): string {
  try {
    return JSON.parse(`"${text}"`) as string;
  } catch {
    return text;
  }
}

/** Of the form that the model fills in, as far as it has come: the title, and what steps do. */
function outlineOf(form: string) {
  const title = /"title"\s*:\s*"((?:[^"\\]|\\.)*)/.exec(form)?.[1] ?? "";
  const steps = [...form.matchAll(/"does"\s*:\s*"(\w+)"\s*,\s*"text"\s*:\s*"((?:[^"\\]|\\.)*)/g)];
  return { title: unquoted(title),
    steps: steps.map(([, does, text]) => ({ does: does ?? "", text: unquoted(text ?? "") })) };
}

function Progress({ form, tokens }: { form: string; tokens: number }) {
  const { t } = useTranslation();
  const { title, steps } = outlineOf(form);
  return (
    <div className="drafting stack-small">
      <div className="between" role="status">
        <span className="row"><Icon name="spinner" spin />{t("draft.working")}</span>
        <span className="muted num">{t("models.tokens", { count: integer(tokens) as never })}</span>
      </div>
      {title && <strong>{title}</strong>}
      <ol>
        {steps.map((step, index) => (
          <li key={index}>
            <span className="tag">{t(`draft.does.${step.does}`, step.does)}</span> {step.text}
          </li>
        ))}
      </ol>
    </div>
  );
}

export function DraftDialog({ before = "", onClose }: { before?: string; onClose: () => void }) {
  const { t } = useTranslation();
  const models = useData<Page<ModelState>>("/models");
  const [description, setDescription] = useState(before);
  const [model, setModel] = useState("default");
  const [progress, setProgress] = useState<{ form: string; tokens: number } | null>(null);
  const stop = useRef(new AbortController());
  useEffect(() => {
    const now = stop.current = new AbortController(); // leaving the dialog ends the generation
    return () => now.abort();
  }, []);

  const source = models.data?.items.find((each) => each.name === model)?.source ?? "";

  const make = async () => {
    const { signal } = stop.current;
    setProgress({ form: "", tokens: 0 });
    let form = "";
    let answer: Answer | null = null;
    try {
      const body = { description: description.trim(), model };
      for await (const event of postEvents("/definitions/draft", body, signal)) {
        const data = JSON.parse(event.data) as Answer & ProblemBody & { tokens: number };
        if (event.event === "error") throw errorFrom(data, 502);
        if (event.event === "draft") answer = data;
        else setProgress({ form: form += data.text, tokens: data.tokens });
      }
    } catch (failure) {
      if (signal.aborted) return;
      throw failure;
    } finally {
      setProgress(null);
    }
    if (!answer) throw toldHere(t("error.offline"));
    onClose();
    navigate("/ui/workflows/new",
      { state: { text: answer.text, model: modelName(source || answer.model),
        description } satisfies Draft });
  };

  return (
    <Dialog title={t("draft.title")} confirm={t("draft.make")} wide onClose={onClose}
      onConfirm={make} disabled={!description.trim()}>
      <Field label={t("draft.description")} hint={t("draft.hint")} required>
        {(ids) => <textarea {...ids} className="area" maxLength={1300} required autoFocus
          readOnly={progress !== null} value={description} placeholder={t("draft.example")}
          onChange={(event) => setDescription(event.target.value)} />}
      </Field>
      <Field label={t("models.choose")}>
        {(ids) => <select {...ids} className="select" value={model} disabled={progress !== null}
          onChange={(event) => setModel(event.target.value)}>
          {(models.data?.items.map((each) => each.name) ?? ["default"])
            .map((name) => <option key={name}>{name}</option>)}
        </select>}
      </Field>
      {source.includes("weft-mini") && !progress && <p className="muted">{t("draft.small")}</p>}
      {progress && <Progress {...progress} />}
    </Dialog>
  );
}
