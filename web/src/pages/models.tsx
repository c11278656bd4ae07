// SPDX-License-Identifier: Apache-2.0
// The models of this process, and a place to talk to one with its thinking shown apart.
import { type FormEvent, useRef, useState } from "react";
import { useTranslation } from "react-i18next";
import { ApiError, errorFrom, type ModelState, type Page, post, type ProblemBody, toldHere }
  from "../api";
import { ErrorNotice, Facts, Field, Loading, PageHead, Segmented } from "../components/basics";
import { notifyError } from "../components/toasts";
import { postEvents } from "../events";
import { bytes, duration, fixed, integer, modelName, percent } from "../format";
import { useData } from "../hooks";
import { useSession } from "../session";

/** Names that mean the same model, together. */
function bySource(items: ModelState[]): ModelState[][] {
  const groups = new Map<string, ModelState[]>();
  for (const item of items) {
    groups.set(item.source, [...(groups.get(item.source) ?? []), item]);
  }
  return [...groups.values()];
}

function ModelCard({ names, reload }: { names: ModelState[]; reload: () => void }) {
  const { t } = useTranslation();
  const { may } = useSession();
  const [busy, setBusy] = useState(false);
  const model = names[0] as ModelState;
  const act = async (what: "load" | "unload") => {
    setBusy(true);
    try {
      await post(`/models/${encodeURIComponent(model.name)}/${what}`);
    } catch (failure) {
      const error = failure as ApiError;
      notifyError(error.status === 409 ? toldHere(t("models.busy")) : error);
    } finally {
      setBusy(false);
      reload();
    }
  };
  const speed = model.busy_seconds ? (model.generated_tokens ?? 0) / model.busy_seconds : 0;
  const guessed = model.drafted_tokens ? (model.accepted_tokens ?? 0) / model.drafted_tokens : null;
  return (
    <section className="card card-body stack" aria-label={modelName(model.source)}>
      <div className="between">
        <div>
          <h2>{modelName(model.source)}</h2>
          <div className="muted">{t("models.same", {
            names: names.map((each) => each.name).join(", "),
          })}</div>
        </div>
        <span className={`status ${model.loaded ? "good" : "idle"}`}>
          {t(model.loaded ? "models.loaded" : "models.unloaded")}
        </span>
      </div>
      {model.loaded && <Facts items={[
        [t("models.memory"), bytes(model.memory_bytes ?? 0)],
        [t("models.context"), t("models.tokens", { count: integer(model.context ?? 0) as never })],
        [t("models.speed"), t("models.speed_value", { value: fixed(speed, 1) })],
        [t("models.requests"), integer(model.requests ?? 0)],
        [t("models.kv"), t("engine.kv_value", {
          used: integer(model.kv_used ?? 0), total: integer(model.kv_blocks ?? 0),
        })],
        ...(guessed === null ? []
          : [[t("models.guesses"), percent(guessed * 100)] as [string, string]]),
        [t("models.fingerprint"), <span className="mono" key="f">{model.fingerprint}</span>],
      ]} />}
      {may("models:manage") && <div className="row">
        {!model.loaded && <button className="button primary" disabled={busy}
          onClick={() => void act("load")}>{t("models.load")}</button>}
        {model.loaded && <button className="button" disabled={busy}
          onClick={() => void act("unload")}>{t("models.unload")}</button>}
      </div>}
    </section>
  );
}

type Turn = {
  role: "user" | "assistant"; content: string; reasoning?: string; usage?: string; live?: boolean;
};
type Chunk = {
  choices?: { delta?: { content?: string; reasoning_content?: string; reasoning?: string } }[];
  usage?: {
    prompt_tokens: number; completion_tokens: number;
    completion_tokens_details?: { reasoning_tokens?: number };
  };
  error?: ProblemBody["error"];
};

async function* chunks(body: unknown, signal: AbortSignal): AsyncGenerator<Chunk> {
  for await (const event of postEvents("/v1/chat/completions", body, signal)) {
    if (event.data === "[DONE]") return;
    yield JSON.parse(event.data) as Chunk;
  }
}

function Playground({ names }: { names: string[] }) {
  const { t } = useTranslation();
  const [model, setModel] = useState("default");
  const [think, setThink] = useState<"auto" | "on" | "off">("auto");
  const [text, setText] = useState("");
  const [turns, setTurns] = useState<Turn[]>([]);
  const [error, setError] = useState<ApiError | null>(null);
  const [live, setLive] = useState(false);
  const stop = useRef<AbortController | null>(null);

  const ask = async (event: FormEvent) => {
    event.preventDefault();
    if (!text.trim() || live) return;
    const asked: Turn[] = [...turns, { role: "user", content: text.trim() }];
    const answer: Turn = { role: "assistant", content: "", reasoning: "", live: true };
    const show = () => setTurns([...asked, { ...answer }]);
    setText("");
    setError(null);
    setLive(true);
    show();
    stop.current = new AbortController();
    const begun = performance.now();
    try {
      const body = {
        model, stream: true, stream_options: { include_usage: true },
        messages: asked.map(({ role, content }) => ({ role, content })),
        ...(think === "auto" ? {} : { chat_template_kwargs: { enable_thinking: think === "on" } }),
      };
      for await (const chunk of chunks(body, stop.current.signal)) {
        if (chunk.error) throw errorFrom({ error: chunk.error }, 500);
        const delta = chunk.choices?.[0]?.delta;
        answer.content += delta?.content ?? "";
        answer.reasoning += delta?.reasoning_content ?? delta?.reasoning ?? "";
        if (chunk.usage) {
          const thinking = chunk.usage.completion_tokens_details?.reasoning_tokens ?? 0;
          answer.usage = t("models.usage", {
            prompt: integer(chunk.usage.prompt_tokens), thinking: integer(thinking),
            answer: integer(chunk.usage.completion_tokens - thinking),
            time: duration(performance.now() - begun),
          });
        }
        show();
      }
    } catch (failure) {
      if (!stop.current?.signal.aborted) {
        setError(failure instanceof ApiError ? failure : new ApiError(0, String(failure)));
      }
    }
    answer.live = false;
    show();
    setLive(false);
  };

  return (
    <section className="card" aria-labelledby="playground">
      <div className="card-head">
        <h2 id="playground">{t("models.playground")}</h2>
        <div className="row">
          <select className="select inline-select" aria-label={t("models.choose")} value={model}
            onChange={(event) => setModel(event.target.value)}>
            {names.map((name) => <option key={name}>{name}</option>)}
          </select>
          <Segmented label={t("models.think")} value={think} onChange={setThink}
            options={(["auto", "on", "off"] as const)
              .map((each) => [each, `${each === "auto" ? `${t("models.think")}: ` : ""}${
                t(`models.think.${each}`)}`])} />
        </div>
      </div>
      <div className="card-body stack">
        {turns.length > 0 && (
          <div className="chat" tabIndex={0} role="log" aria-label={t("models.playground")}>
            {turns.map((turn, index) => (
              <div className="turn" key={index}>
                <span className="who">{turn.role === "user" ? t("models.you") : model}</span>
                {turn.reasoning && <div className="thought prose">{turn.reasoning}</div>}
                <div className={`prose ${turn.role === "assistant" ? "answer" : ""} ${
                  turn.live ? "caret" : ""}`}>{turn.content}</div>
                {turn.usage && <span className="muted">{turn.usage}</span>}
              </div>
            ))}
          </div>
        )}
        {error && <ErrorNotice error={error} />}
        <form className="stack-small" onSubmit={(event) => void ask(event)}>
          <Field label={t("models.ask")} hint={t("models.ask_hint")}>
            {(ids) => <textarea {...ids} className="area" value={text}
              onChange={(event) => setText(event.target.value)}
              onKeyDown={(event) => {
                if (event.key === "Enter" && !event.shiftKey && !event.nativeEvent.isComposing) {
                  event.preventDefault();
                  event.currentTarget.form?.requestSubmit();
                }
              }} />}
          </Field>
          <div className="row">
            <button className="button primary" disabled={live || !text.trim()}>
              {t("models.send")}
            </button>
            {live && <button type="button" className="button"
              onClick={() => stop.current?.abort()}>{t("models.stop")}</button>}
            {!live && turns.length > 0 && <button type="button" className="button plain"
              onClick={() => setTurns([])}>{t("models.clear")}</button>}
          </div>
        </form>
      </div>
    </section>
  );
}

export default function Models() {
  const { t } = useTranslation();
  const { may } = useSession();
  const list = useData<Page<ModelState>>("/models", 2000);
  return (
    <>
      <PageHead title={t("models.title")} subtitle={t("models.subtitle")} />
      <div className="stack">
        {list.error && <ErrorNotice error={list.error} again={list.reload} />}
        {list.loading && <div className="card"><Loading /></div>}
        <div className="cards wide-cards">
          {bySource(list.data?.items ?? []).map((names) => (
            <ModelCard key={names[0]?.source} names={names} reload={list.reload} />
          ))}
        </div>
        {may("models:use") && <Playground names={list.data?.items.map((each) => each.name) ?? ["default"]} />}
      </div>
    </>
  );
}
