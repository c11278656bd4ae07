// SPDX-License-Identifier: Apache-2.0
// What a model decided: how long it thought, what it answered, how sure it was of what it chose.
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { type ApiError, type Call, post } from "../api";
import { duration, fixed, integer, modelName } from "../format";
import { told } from "../told";
import { ErrorNotice, Facts } from "./basics";

/** What is being written at a path ("classify", "translate[3]"), and when it last grew. */
export type LiveText = { reasoning: string; answer: string; grew: number };

/** Of a step, the items of its loop included: the text that grew last. */
export function liveOf(texts: Record<string, LiveText>, step: string): LiveText | undefined {
  let newest: LiveText | undefined;
  for (const [path, text] of Object.entries(texts)) {
    if (path !== step && !path.startsWith(`${step}[`)) continue;
    if (!newest || text.grew > newest.grew) newest = text;
  }
  return newest;
}

export function LiveAnswer({ text }: { text: LiveText }) {
  const { t } = useTranslation();
  return (
    <div className="stack-small" aria-live="off" data-live="true">
      {text.reasoning && <>
        <h3>{t("call.thinking")}</h3>
        <div className={`thought prose ${text.answer ? "" : "caret"}`} tabIndex={0} role="group"
          aria-label={t("call.thinking")}>{text.reasoning}</div>
      </>}
      {text.answer && <>
        <h3>{t("call.answer")} <span className="muted">({t("call.live")})</span></h3>
        <div className="answer prose caret" tabIndex={0} role="group"
          aria-label={t("call.answer")}>{text.answer}</div>
      </>}
    </div>
  );
}

/** Rounded down, so that only what is certain reads as certain. */
const sureness = (share: number) => `${(Math.floor(share * 10_000) / 100).toFixed(2)}%`;

const SHOWN = 100; // calls of one step that are drawn

function Chosen({ chosen }: { chosen: NonNullable<Call["chosen"]> }) {
  const { t } = useTranslation();
  return (
    <div className="stack-small">
      <h3>{t("call.chosen")}</h3>
      <div className="chosen-list">
        {Object.entries(chosen).map(([pointer, { value, probability }]) => (
          <div className="line" key={pointer}>
            <span>
              <code>{pointer.replace(/^\//, "") || "answer"}</code>{" "}
              <b>{typeof value === "string" ? value : JSON.stringify(value)}</b>
            </span>
            <span className="num">{sureness(probability)}</span>
            <div className="meter" role="img" aria-label={sureness(probability)}>
              <span style={{ width: `${probability * 100}%` }} />
            </div>
          </div>
        ))}
      </div>
    </div>
  );
}

/** The texts behind the tokens, asked for when somebody wants to read them. */
function Texts({ call }: { call: Call }) {
  const { t } = useTranslation();
  const [texts, setTexts] = useState<{ prompt: string; answer: string } | null>(null);
  const [error, setError] = useState<ApiError | null>(null);
  const read = async () => {
    if (texts) return;
    try {
      const text = async (tokens: number[] = []) => tokens.length === 0 ? ""
        : (await post<{ content: string }>("/detokenize", { model: "default", tokens })).content;
      setTexts({ prompt: await text(call.prompt_ids), answer: await text(call.output_ids) });
    } catch (failure) {
      setError(failure as ApiError);
    }
  };
  return (
    <details className="fold" onToggle={(event) => event.currentTarget.open && void read()}>
      <summary>{t("call.show_prompt")}</summary>
      {error && <ErrorNotice error={error} />}
      {texts && <div className="stack-small">
        <h3>{t("call.prompt")}</h3>
        <div className="answer prose mono" tabIndex={0} role="group" aria-label={t("call.prompt")}>
          {texts.prompt}
        </div>
        <h3>{t("call.answer")}</h3>
        <div className="answer prose mono" tabIndex={0} role="group" aria-label={t("call.answer")}>
          {texts.answer}
        </div>
      </div>}
    </details>
  );
}

/** In the order of a loop's items, which the store sorts as text. */
export function inOrder(calls: Call[]): Call[] {
  return [...calls].sort((a, b) => a.path.localeCompare(b.path, "en", { numeric: true }) ||
    a.attempt - b.attempt || a.n - b.n).slice(0, SHOWN);
}

/** The most that the step may think, as its author wrote it. */
function budgetOf(parameters: Record<string, unknown> | undefined): number | null {
  const thinking = parameters?.thinking as Record<string, unknown> | undefined;
  const value = thinking?.budget_tokens ?? thinking?.limit_tokens;
  const most = typeof value === "number" ? value : thinking?.limit_tokens;
  return typeof most === "number" ? most : null;
}

/** A text of the step, as its author wrote it; templates stay templates. */
const textOf = (value: unknown) =>
  typeof value === "string" || typeof value === "number" ? String(value) : "";

/** Which rule led to this model, mode and budget; without rules, what the step itself says. */
function Why({ call, parameters }: { call: Call; parameters?: Record<string, unknown> }) {
  const { t } = useTranslation();
  const route = call.route;
  const thinking = parameters?.thinking as Record<string, unknown> | undefined;
  const mode = textOf(parameters?.mode) || textOf(thinking?.mode);
  const model = textOf(parameters?.model);
  const lines = route ? route.why ?? [] : [];
  const facts: [string, React.ReactNode][] = [];
  const fact = (name: string, value: string) => value && facts.push([t(name), value]);
  fact("why.asked_for", route?.asked_for ?? (route ? model : ""));
  fact("why.class", textOf(parameters?.class));
  fact("why.complexity", textOf(parameters?.complexity));
  if (route) {
    fact("why.mode", t(`why.mode.${route.adaptive ? "adaptive" : route.thinking}`));
    fact("why.budget", route.thinking_budget === undefined ? ""
      : t("models.tokens", { count: integer(route.thinking_budget) as never }));
    fact("why.max_tokens", t("models.tokens", { count: integer(route.max_tokens) as never }));
    fact("why.sure", route.confidence === undefined ? ""
      : t("why.sure_value", { confidence: sureness(route.confidence),
          sure: sureness(route.sure ?? 1) }));
    fact("why.price", route.price === undefined ? "" : fixed(route.price, 6));
  }
  return (
    <div className="stack-small why" data-why={route ? "route" : "step"}>
      <h3>{t("why.title")}</h3>
      <ul>
        {lines.map((line) => <li key={line} lang={told(line).lang}>{told(line).text}</li>)}
        {!route && <>
          <li>{model ? t("why.step_model", { model }) : t("why.default_model")}</li>
          <li>{mode ? t("why.step_mode", { mode: t(`why.mode.${mode}`, mode) })
            : t("why.default_mode")}</li>
          <li>{budgetOf(parameters) === null ? t("why.no_budget") : t("why.step_budget")}</li>
        </>}
        {call.remote && <li>{t("why.remote")}</li>}
      </ul>
      {facts.length > 0 && <Facts items={facts} />}
    </div>
  );
}

export function CallCard({ call, number, parameters }: {
  call: Call; number: number; parameters?: Record<string, unknown>;
}) {
  const alike = number > 1 && !call.route && !call.remote; // the step says the same of all
  const { t } = useTranslation();
  const budget = call.route?.thinking_budget ?? budgetOf(parameters);
  const used = integer(call.tokens.reasoning);
  return (
    <article className="stack-small" aria-label={t("call.title", { n: number })}>
      <h3>{t("call.title", { n: number })}{call.path.includes("[") && ` · ${call.path}`}</h3>
      <Facts items={[
        [t("call.model"), modelName(call.model)],
        [t("call.mode"), <span key="m" className={`tag ${call.tokens.reasoning ? "think" : ""}`}>
          {t(call.tokens.reasoning ? "call.mode_thinking" : "call.mode_plain")}</span>],
        [t("call.budget"), budget === null ? t("call.budget_open", { used })
          : t("call.budget_value", { used, budget: integer(budget) })],
        [t("run.tokens"), t("run.tokens_value", {
          prompt: integer(call.tokens.prompt), reasoning: used, answer: integer(call.tokens.answer),
        })],
        [t("call.time"), t("call.time_value", {
          prefill: duration(call.prefill_ms), decode: duration(call.decode_ms),
        })],
        [t("call.reason"), t(`call.reason.${call.finish_reason}`, call.finish_reason)],
      ]} />
      {!alike && <Why call={call} parameters={parameters} />}
      {call.chosen && Object.keys(call.chosen).length > 0 && <Chosen chosen={call.chosen} />}
      {call.reasoning && <>
        <h3>{t("call.thinking")}</h3>
        <div className="thought prose" tabIndex={0} role="group" aria-label={t("call.thinking")}>
          {call.reasoning}
        </div>
      </>}
      {call.prompt_ids && <Texts call={call} />}
    </article>
  );
}
