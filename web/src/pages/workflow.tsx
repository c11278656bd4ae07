// SPDX-License-Identifier: Apache-2.0
// A workflow's document with its graph beside it: while one writes, the server checks, and what is
// drawn is what it understood.
import { lazy, Suspense, useCallback, useEffect, useMemo, useState } from "react";
import { useTranslation } from "react-i18next";
import { stringify } from "yaml";
import { ApiError, type Checked, type Definition, type Page, type Problem, request, toldHere }
  from "../api";
import { CopyButton, Dialog, Empty, ErrorNotice, Loading, PageHead } from "../components/basics";
import { type Draft, DraftDialog } from "../components/draft_dialog";
import Graph from "../components/graph";
import { Icon } from "../components/icon";
import { RunDialog } from "../components/run_dialog";
import { notify, notifyError } from "../components/toasts";
import { diffLines } from "../diff";
import { dateTime } from "../format";
import { useData, useDebounced } from "../hooks";
import { navigate, useHistoryState } from "../router";
import { useSession } from "../session";
import { koreanError } from "../told";

const Editor = lazy(() => import("../components/editor"));

const TEMPLATE = `weft: "1"
id: my-workflow
title: My workflow
input:
  type: object
  required: [name]
  properties:
    name: { type: string, maxLength: 100 }
steps:
  - id: greet
    type: set
    parameters:
      value: "Hello, {{ input.name }}!"
output: "{{ steps.greet }}"
`;

type Version = {
  version: number; hash: string; created_at: string; created_by: string; deleted?: boolean;
};

function textOf(definition: Definition): string {
  const text = definition.source ?? definition.text;
  if (typeof text === "string" && text) return text;
  return stringify(definition.document ?? {}, { lineWidth: 96 });
}

/** The server's verdict about the text, a moment after the last key. */
function useChecked(text: string) {
  const settled = useDebounced(text, 250);
  const [checked, setChecked] = useState<{ of: string; result: Checked } | null>(null);
  const [error, setError] = useState<ApiError | null>(null);
  useEffect(() => {
    if (!settled.trim()) return;
    const stop = new AbortController();
    request<Checked>("POST", "/definitions/validate", { text: settled }, { signal: stop.signal })
      .then((result) => {
        setChecked({ of: settled, result });
        setError(null);
      })
      .catch((failure: unknown) => stop.signal.aborted || setError(failure as ApiError));
    return () => stop.abort();
  }, [settled]);
  return { checked: checked?.result ?? null, current: checked?.of === text, error };
}

function ProblemWords({ problem }: { problem: Problem }) {
  const korean = koreanError(problem);
  return <>
    {korean && <span>{korean.title}. <span className="hint">{korean.hint}</span></span>}
    <span className={korean ? "hint" : ""} lang="en">{problem.message}</span>
    {problem.hint && <span className="hint" lang="en">{problem.hint}</span>}
  </>;
}

function Problems({ checked, onGo }: { checked: Checked; onGo: (line: number) => void }) {
  const { t } = useTranslation();
  const row = (kind: "error" | "warning") => (problem: Problem, index: number) => (
    <li key={`${kind}${index}`}>
      <button type="button" className={`problem ${kind}`} onClick={() => onGo(problem.line)}>
        <span className="code mono">{problem.code}</span>
        <span className="muted num">{t("workflow.line", { line: problem.line })}</span>
        <ProblemWords problem={problem} />
      </button>
    </li>
  );
  return <ul className="problems">{checked.errors.map(row("error"))}{checked.warnings.map(row("warning"))}</ul>;
}

function Versions({ id, text }: { id: string; text: string }) {
  const { t } = useTranslation();
  const list = useData<Page<Version>>(`/definitions/${encodeURIComponent(id)}/versions`);
  const [chosen, setChosen] = useState<Version | null>(null);
  const older = useData<Definition>(
    chosen ? `/definitions/${encodeURIComponent(id)}?version=${chosen.version}` : null);
  const items = (list.data?.items ?? []).filter((version) => !version.deleted);
  return (
    <section className="card" aria-labelledby="versions">
      <div className="card-head"><h2 id="versions">{t("workflow.versions")}</h2></div>
      <div className="card-body stack-small">
        {list.error && <ErrorNotice error={list.error} />}
        {items.length < 2 && <p className="muted">{t("workflow.no_versions")}</p>}
        <div className="row">
          {items.length > 1 && items.map((version) => (
            <button key={version.hash} className="button small" aria-pressed={chosen === version}
              onClick={() => setChosen(chosen === version ? null : version)}>
              {version.version}
              <span className="muted">
                {dateTime(Date.parse(version.created_at))} {version.created_by}
              </span>
            </button>
          ))}
        </div>
        {chosen && older.data && <>
          <h3>{t("workflow.diff", { version: chosen.version })}</h3>
          <div className="diff" tabIndex={0} role="group"
            aria-label={t("workflow.diff", { version: chosen.version })}>
            {diffLines(textOf(older.data), text).map((line, index) => (
              <div key={index} className={line.kind === "same" ? "" : line.kind}>
                {line.kind === "add" ? "+ " : line.kind === "cut" ? "− " : "  "}{line.text}
              </div>
            ))}
          </div>
        </>}
      </div>
    </section>
  );
}

export default function Workflow({ id }: { id: string }) {
  const { t } = useTranslation();
  const fresh = id === "new";
  const draft = useHistoryState<Draft>(fresh);
  const stored = useData<Definition>(fresh ? null : `/definitions/${encodeURIComponent(id)}`);
  const original = useMemo(
    () => (fresh ? draft?.text ?? TEMPLATE : stored.data ? textOf(stored.data) : null),
    [fresh, draft, stored.data]);
  const [edited, setEdited] = useState<string | null>(null);
  useEffect(() => setEdited(null), [draft]);
  const text = edited ?? original ?? "";
  const { checked, current, error } = useChecked(text);
  const [goTo, setGoTo] = useState<{ line: number } | null>(null);
  const [running, setRunning] = useState(false);
  const [drafting, setDrafting] = useState(false);
  const [deleting, setDeleting] = useState(false);
  const { may } = useSession();
  const [absent, setAbsent] = useState(false);
  const problems = useMemo(() => checked && current
    ? { list: checked.errors, warnings: checked.warnings } : null, [checked, current]);
  // while a document is in the middle of a change, what it was last stays in sight
  const [drawn, setDrawn] = useState<Checked["workflow"] | null>(null);
  useEffect(() => {
    if (checked?.workflow) setDrawn(checked.workflow);
  }, [checked]);
  const choose = useCallback((step: string) => {
    const line = drawn?.steps.find((each) => each.id === step)?.line;
    if (line) setGoTo({ line });
  }, [drawn]);

  const save = async () => {
    const target = checked?.workflow?.id ?? id;
    // only on top of what was read here: nobody else's work is written over
    const seen: Record<string, string> = !fresh && target === id && stored.data
      ? { "If-Match": `"${stored.data.hash}"` } : { "If-None-Match": "*" };
    try {
      await request("PUT", `/definitions/${encodeURIComponent(target)}`, text, { headers: seen });
      notify(t("workflow.saved"));
      setEdited(null);
      if (target !== id) navigate(`/ui/workflows/${target}`);
      else stored.reload();
    } catch (failure) {
      const told = failure as ApiError;
      if (told.absent || told.status === 405 || told.code === "E0757") setAbsent(true);
      else if (told.code === "E0756") {
        notifyError(toldHere(t(target === id ? "workflow.changed_meanwhile" : "workflow.id_taken",
          { id: target }), told.code));
      }
      else notifyError(told);
    }
  };
  const state = !checked || !current ? t("workflow.checking")
    : checked.valid ? t("workflow.valid", { count: checked.workflow?.steps.length ?? 0 })
      : t("workflow.invalid", { count: checked.errors.length + checked.errors_left_out });
  const changed = edited !== null && edited !== original;
  if (!fresh && !stored.data) {
    return <>
      <PageHead title={id} />
      {stored.error ? <ErrorNotice error={stored.error} again={stored.reload} />
        : <div className="card"><Loading lines={8} /></div>}
    </>;
  }
  return (
    <>
      <PageHead title={fresh ? t("workflows.new") : stored.data?.title || id}
        subtitle={<span className="mono">{checked?.workflow?.id ?? id}</span>}>
        {fresh && may("models:use") && <button className="button" onClick={() => setDrafting(true)}>
          <Icon name="spark" />{t(draft ? "draft.again" : "draft.title")}
        </button>}
        <CopyButton text={text} />
        {may("definitions:write") && <button className="button"
          disabled={!checked?.valid || !current || (!changed && !fresh)}
          onClick={() => void save()}>{t("workflow.save")}</button>}
        {stored.data?.origin === "stored" && may("definitions:write") && <button className="button danger"
          onClick={() => setDeleting(true)}>
          {t("workflow.delete")}</button>}
        {!fresh && may("runs:execute") && <button className="button primary" disabled={changed}
          onClick={() => setRunning(true)}>{t("workflows.run")}</button>}
      </PageHead>
      <div className="stack">
        {draft && <div className="notice" data-draft={draft.model}>
          <Icon name="spark" />
          <div className="grow">
            <div>{t("draft.made", { model: draft.model })}</div>
            <div className="hint">{t("draft.read_it")}</div>
          </div>
        </div>}
        {absent && <div className="notice warn" role="alert">{t("workflow.save_absent")}</div>}
        {error && <ErrorNotice error={error} />}
        <div className="editor-grid">
          <section className="card" aria-labelledby="document">
            <div className="card-head">
              <h2 id="document">{t("workflow.editor")}</h2>
              <span className={`status ${!checked || !current ? "idle"
                : checked.valid ? "good" : "bad"}`} role="status">{state}</span>
            </div>
            <Suspense fallback={<Loading lines={10} />}>
              <Editor value={text} problems={problems} goTo={goTo} onChange={setEdited}
                label={t("workflow.editor_label")} />
            </Suspense>
          </section>
          <div className="stack">
            <section className="card" aria-labelledby="graph">
              <div className="card-head"><h2 id="graph">{t("run.graph")}</h2></div>
              {checked?.workflow ?? drawn
                ? <Graph steps={(checked?.workflow ?? drawn)?.steps ?? []} chosen=""
                    onChoose={choose} />
                : <div className="graph">
                    {checked ? <Empty icon="workflows" title={state} /> : <Loading />}
                  </div>}
            </section>
            {checked && checked.errors.length + checked.warnings.length > 0 && (
              <section className="card" aria-labelledby="problems">
                <div className="card-head"><h2 id="problems">{t("workflow.problems")}</h2></div>
                <Problems checked={checked} onGo={(line) => setGoTo({ line })} />
              </section>
            )}
            {stored.data?.origin === "stored" && <Versions id={id} text={text} />}
          </div>
        </div>
      </div>
      {drafting && <DraftDialog before={draft?.description} onClose={() => setDrafting(false)} />}
      {running && stored.data && <RunDialog definition={stored.data}
        onClose={() => setRunning(false)} />}
      {deleting && <Dialog title={t("workflow.delete")} confirm={t("workflow.delete")} danger
        onClose={() => setDeleting(false)} onConfirm={async () => {
          await request("DELETE", `/definitions/${encodeURIComponent(id)}`);
          navigate("/ui/workflows");
        }}>
        <p>{t("workflow.delete_text", { id })}</p>
      </Dialog>}
    </>
  );
}
