// SPDX-License-Identifier: Apache-2.0
// One run: its graph with live states, its times, what its models decided and why, its data and its
// journal. Events say that something changed; the state itself is always read whole, so that a
// connection that was lost leaves nothing behind.
import { useCallback, useEffect, useRef, useState } from "react";
import { useTranslation } from "react-i18next";
import type { RunView, StepView } from "../api";
import { Empty, ErrorNotice, ErrorWords, Facts, Json, Live, Loading, PageHead }
  from "../components/basics";
import { CallCard, inOrder, LiveAnswer, liveOf, type LiveText } from "../components/calls";
import Graph from "../components/graph";
import { Icon } from "../components/icon";
import { Journal } from "../components/journal";
import { type Act, ActDialog, RunActs } from "../components/run_acts";
import { ended, Status } from "../components/status";
import { StepPanel, Told } from "../components/step_panel";
import { Timeline } from "../components/timeline";
import { dateTime, duration, integer, shortId } from "../format";
import { useData, useNow, useStream } from "../hooks";
import { Link, navigate, useLocation, withQuery } from "../router";
import { useSession } from "../session";

const TABS = ["graph", "timeline", "decisions", "data", "journal"] as const;
type Tab = (typeof TABS)[number];
const THINKS = ["llm", "agent", "plan"];

/** The run, read again soon after each event; and what models write while they write it. */
function useRun(id: string) {
  const view = useData<RunView>(`/workflows/${id}/view`);
  const [texts, setTexts] = useState<Record<string, LiveText>>({});
  const timer = useRef(0);
  const reload = view.reload;
  const soon = useCallback((ms: number) => {
    timer.current ||= window.setTimeout(() => {
      timer.current = 0;
      reload();
    }, ms);
  }, [reload]);
  useEffect(() => () => {
    clearTimeout(timer.current);
    timer.current = 0;
  }, []);
  const data = view.data;
  const open = data !== null && !ended(data.status);
  const big = (data?.steps.length ?? 0) > 1000;
  const state = useStream(open ? `/workflows/${id}/events` : null, (event) => {
    if (event.event === "progress") {
      const { step, reasoning, answer } = JSON.parse(event.data) as LiveText & { step: string };
      setTexts((old) => ({ ...old, [step]: {
        reasoning: (old[step]?.reasoning ?? "") + reasoning,
        answer: (old[step]?.answer ?? "") + answer,
        grew: performance.now(),
      } }));
    } else {
      const { kind, path } = JSON.parse(event.data) as { kind?: string; path?: string };
      if (kind === "attempt_started" && path) { // a new attempt begins with nothing
        setTexts(({ [path]: gone, ...rest }) => rest);
      }
      soon(event.event === "end" ? 0 : big ? 1000 : 150);
    }
  }, String(data?.sequence ?? ""));
  useEffect(() => {
    if (state === "live") reload(); // whatever happened while nobody listened
  }, [state, reload]);
  return { view, texts, state, open };
}

function Decisions({ run, texts }: { run: RunView; texts: Record<string, LiveText> }) {
  const { t } = useTranslation();
  const thinking = run.steps.filter((step) => THINKS.includes(step.type) && step.started_ms);
  if (thinking.length === 0) {
    return <div className="card"><Empty icon="models" title={t("run.no_decisions")} /></div>;
  }
  return (
    <div className="stack">
      {thinking.slice(0, 50).map((step) => (
        <Decision key={step.id} run={run} id={step.id} status={step.status ?? ""}
          live={liveOf(texts, step.id)} />
      ))}
    </div>
  );
}

function Decision({ run, id, status, live }: {
  run: RunView; id: string; status: string; live?: LiveText;
}) {
  const { t } = useTranslation();
  const step = useData<StepView>(`/workflows/${run.task_id}/steps/${encodeURIComponent(id)}`);
  useEffect(() => {
    if (step.data) step.reload();
  }, [status]);
  return (
    <section className="card" aria-label={id}>
      <div className="card-head"><h2 className="mono">{id}</h2><Status status={status} /></div>
      <div className="card-body stack">
        {!ended(status) && live && <LiveAnswer text={live} />}
        {step.loading && <Loading lines={3} />}
        {step.error && <ErrorNotice error={step.error} again={step.reload} />}
        {inOrder(step.data?.calls ?? []).map((call, index) => (
          <CallCard key={`${call.path}/${call.attempt}/${call.n}`} call={call} number={index + 1}
            parameters={step.data?.parameters} />
        ))}
        {step.data && step.data.output !== null && <div className="stack-small">
          <h3>{t("call.answer")}</h3><Json value={step.data.output} label={t("call.answer")} />
        </div>}
        {step.data && <div className="muted"><Told lines={step.data.why} /></div>}
      </div>
    </section>
  );
}

function RunFacts({ run, now }: { run: RunView; now: number }) {
  const { t } = useTranslation();
  const to = ended(run.status) && run.finished_ms ? run.finished_ms : now;
  const link = (id: string) => <Link to={`/ui/runs/${id}`} className="mono">{shortId(id)}</Link>;
  return (
    <div className="card card-body">
      <Facts items={[
        [t("field.status"), <Status key="s" status={run.status} />],
        [t("field.workflow"), <Link key="w" to={`/ui/workflows/${run.workflow_id}`}>
          {run.workflow_id}{run.version && ` ${run.version}`}</Link>],
        [t("field.created"), dateTime(run.created_ms)],
        [t("field.duration"), <span key="d" className="num">{duration(to - run.created_ms)}</span>],
        ...(run.tokens.calls ? [[t("run.tokens"), t("run.tokens_value", {
          prompt: integer(run.tokens.prompt), reasoning: integer(run.tokens.reasoning),
          answer: integer(run.tokens.answer),
        })] as [string, string]] : []),
        ...(run.deadline_ms && !ended(run.status)
          ? [[t("run.deadline"), dateTime(run.deadline_ms)] as [string, string]] : []),
        ...(run.origin ? [[t("run.origin"), link(run.origin)] as [string, React.ReactNode]] : []),
        ...(run.parent ? [[t("run.parent"), link(run.parent)] as [string, React.ReactNode]] : []),
      ]} />
    </div>
  );
}

function Tabs({ tab, run, onTab }: { tab: Tab; run: RunView; onTab: (tab: Tab) => void }) {
  const { t } = useTranslation();
  const move = (by: number) => {
    const next = TABS[(TABS.indexOf(tab) + by + TABS.length) % TABS.length] as Tab;
    onTab(next);
    document.getElementById(`tab-${next}`)?.focus();
  };
  return (
    <div className="tabs" role="tablist" aria-label={t("run.views")}>
      {TABS.map((each) => (
        <button key={each} type="button" role="tab" id={`tab-${each}`} aria-controls="tab-panel"
          aria-selected={each === tab} tabIndex={each === tab ? 0 : -1} onClick={() => onTab(each)}
          onKeyDown={(event) => {
            if (event.key === "ArrowRight") move(1);
            if (event.key === "ArrowLeft") move(-1);
          }}>
          {t(`run.${each}`)}
          {each === "decisions" && run.tokens.calls > 0 && ` (${run.tokens.calls})`}
        </button>
      ))}
    </div>
  );
}

export default function Run({ id }: { id: string }) {
  const { t } = useTranslation();
  const { query } = useLocation();
  const { view, texts, state, open } = useRun(id);
  const now = useNow(500, open);
  const acts = useSession().may("runs:act");
  const [act, setAct] = useState<Act>(null);
  const tab = (TABS.includes(query.get("tab") as Tab) ? query.get("tab") : "graph") as Tab;
  const chosen = query.get("step") ?? "";
  const choose = useCallback((step: string) => navigate(withQuery({ step }), { replace: true }), []);
  const run = view.data;
  if (!run) {
    return <>
      <PageHead title={`${t("field.run")} ${shortId(id)}`} />
      {view.error?.status === 404
        ? <div className="card"><Empty icon="question" title={t("run.not_found")} hint={id} /></div>
        : view.error ? <ErrorNotice error={view.error} again={view.reload} />
          : <div className="card"><Loading lines={8} /></div>}
    </>;
  }
  const over = ended(run.status);
  const panel = chosen && (tab === "graph" || tab === "timeline");
  return (
    <>
      <PageHead title={run.title || run.workflow_id}
        subtitle={<span className="mono">{run.task_id}</span>}>
        {open && <Live state={state} />}
        <RunActs run={run} onAct={setAct} />
      </PageHead>
      <div className="stack">
        <RunFacts run={run} now={now} />
        {run.error && <div className="notice bad" data-error={run.error.code}>
          <Icon name="warning" />
          <div className="grow"><ErrorWords error={run.error} /></div>
        </div>}
        <Tabs tab={tab} run={run}
          onTab={(next) => navigate(withQuery({ tab: next }), { replace: true })} />
        <div id="tab-panel" role="tabpanel" aria-labelledby={`tab-${tab}`}>
          {(tab === "graph" || tab === "timeline") && (
            <div className={`run-body ${panel ? "with-step" : ""}`}>
              <div className="card">
                {tab === "graph"
                  ? <Graph steps={run.steps} chosen={chosen} onChoose={choose} />
                  : <Timeline run={run} now={now} chosen={chosen} onChoose={choose} />}
              </div>
              {panel && <StepPanel key={chosen} run={run} id={chosen}
                live={over ? undefined : liveOf(texts, chosen)} onClose={() => choose("")}
                onRetry={over && acts ? () => setAct({ kind: "retry", step: chosen }) : undefined}
                onFork={acts ? () => setAct({ kind: "fork", step: chosen }) : undefined} />}
            </div>
          )}
          {tab === "decisions" && <Decisions run={run} texts={texts} />}
          {tab === "data" && <div className="editor-grid">
            <section className="card card-body stack-small">
              <h2>{t("run.input")}</h2><Json value={run.input} label={t("run.input")} />
            </section>
            <section className="card card-body stack-small">
              <h2>{t("run.output")}</h2>
              {run.output === null ? <p className="muted">{t("run.no_output")}</p>
                : <Json value={run.output} label={t("run.output")} />}
              {run.why.length > 0 && <>
                <h3>{t("run.why")}</h3>
                <Told lines={run.why} />
              </>}
            </section>
          </div>}
          {tab === "journal" && <Journal run={run.task_id} />}
        </div>
      </div>
      {act && <ActDialog run={run} act={act} onClose={() => setAct(null)} onDone={view.reload} />}
    </>
  );
}
