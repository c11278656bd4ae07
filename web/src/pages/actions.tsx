// SPDX-License-Identifier: Apache-2.0
// What runs wait for people to do. Two people may act at once: the server decides who was first, and
// the other is told. Each decision has a key of its own, so that sending it twice is one decision.
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { type ApiError, type Page, post, type RequiredAction, type RunView, toldHere } from "../api";
import { Empty, ErrorNotice, Field, Json, Loading, PageHead } from "../components/basics";
import { parsedObject } from "../components/run_dialog";
import { initialValue, SchemaFields } from "../components/schema_form";
import { notify } from "../components/toasts";
import { dateTime, shortId } from "../format";
import { useData } from "../hooks";
import { myName, setMyName } from "../person";
import { Link } from "../router";
import { useSession } from "../session";

const NEXT_SHOWN = 5; // steps that an approval lets begin

function useAct(done: () => void) {
  const { t } = useTranslation();
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<ApiError | null>(null);
  const act = async (path: string, body: unknown) => {
    setBusy(true);
    setError(null);
    try {
      await post(path, body, { "Idempotency-Key": crypto.randomUUID() });
      notify(t("actions.done"));
      done();
    } catch (failure) {
      const told = failure as ApiError;
      setError(told.code === "E0614" || told.status === 409
        ? toldHere(t("actions.late"), told.code) : told);
      done();
    } finally {
      setBusy(false);
    }
  };
  return { busy, error, act, setError };
}

/** What happens then: the steps that wait for this one, as the run's own graph says. */
function Consequences({ action }: { action: RequiredAction }) {
  const { t } = useTranslation();
  const run = useData<RunView>(`/workflows/${action.task_id}/view`).data;
  const at = run?.steps.findIndex((step) => step.id === action.step.replace(/\[\d+\]$/, "")) ?? -1;
  const next = run?.steps.filter((step) => at >= 0 && step.after.includes(at)) ?? [];
  return (
    <dl className="consequences">
      <dt>{t("actions.if_approved")}</dt>
      <dd>
        {next.length === 0 && (run && at >= 0 ? t("actions.what_ends")
          : t("actions.what_approve", { step: action.step }))}
        {next.slice(0, NEXT_SHOWN).map((step) => (
          <span key={step.id} className="next"><code>{step.id}</code>
            <span className="tag">{step.type}</span></span>
        ))}
        {next.length > NEXT_SHOWN && t("actions.more", { count: next.length - NEXT_SHOWN })}
      </dd>
      <dt>{t("actions.if_rejected")}</dt>
      <dd>{t("actions.what_reject")}</dd>
    </dl>
  );
}

function Approval({ action, done }: { action: RequiredAction; done: () => void }) {
  const { t } = useTranslation();
  const [comment, setComment] = useState("");
  const [name, setName] = useState(myName());
  const { busy, error, act } = useAct(done);
  const decide = (decision: "approved" | "rejected") => {
    setMyName(name);
    return act(`/workflows/${action.task_id}/approvals/${encodeURIComponent(action.step)}`, {
      decision, ...(comment ? { comment } : {}), ...(name.trim() ? { by: name.trim() } : {}),
    });
  };
  return <>
    {action.show !== undefined && action.show !== null &&
      <Json value={action.show} label={t("step.asked")} />}
    <Consequences action={action} />
    <Field label={t("actions.name")}>
      {(ids) => <input {...ids} className="input" maxLength={100} value={name}
        onChange={(event) => setName(event.target.value)} />}
    </Field>
    <Field label={t("actions.comment")}>
      {(ids) => <input {...ids} className="input" maxLength={500} value={comment}
        onChange={(event) => setComment(event.target.value)} />}
    </Field>
    {error && <ErrorNotice error={error} />}
    <div className="row">
      <button className="button primary" disabled={busy} onClick={() => void decide("approved")}>
        {t("actions.approve")}
      </button>
      <button className="button danger" disabled={busy} onClick={() => void decide("rejected")}>
        {t("actions.reject")}
      </button>
    </div>
  </>;
}

function Signal({ action, done }: { action: RequiredAction; done: () => void }) {
  const { t } = useTranslation();
  const described = Object.keys(action.schema?.properties ?? {}).length > 0;
  const [value, setValue] = useState<Record<string, unknown>>(initialValue(action.schema ?? {}));
  const [text, setText] = useState("{}");
  const { busy, error, act, setError } = useAct(done);
  const send = () => {
    try {
      const payload = described ? value : parsedObject(text, t);
      void act(`/workflows/${action.task_id}/signals/${encodeURIComponent(action.name ?? "")}`,
        payload);
    } catch (failure) {
      setError(failure as ApiError);
    }
  };
  return (
    <form className="stack-small" onSubmit={(event) => {
      event.preventDefault();
      send();
    }}>
      {described
        ? <SchemaFields schema={action.schema ?? {}} value={value} onChange={setValue} />
        : <Field label={t("run.signal_payload")}>
            {(ids) => <textarea {...ids} className="area code" spellCheck={false} value={text}
              onChange={(event) => setText(event.target.value)} />}
          </Field>}
      {error && <ErrorNotice error={error} />}
      <div><button className="button primary" disabled={busy}>{t("actions.send")}</button></div>
    </form>
  );
}

function Resolve({ action, done }: { action: RequiredAction; done: () => void }) {
  const { t } = useTranslation();
  const { busy, error, act } = useAct(done);
  const decide = (decision: string) => act(
    `/workflows/${action.task_id}/resolutions/${encodeURIComponent(action.step)}`,
    { decision, ...(myName() ? { by: myName() } : {}) });
  return <>
    <p>{t("actions.resolve_text")}</p>
    {error && <ErrorNotice error={error} />}
    <div className="row">
      {(["retry", "succeed", "fail"] as const).map((each) => (
        <button key={each} className="button" disabled={busy} onClick={() => void decide(each)}>
          {t(`actions.resolve_${each}`)}
        </button>
      ))}
    </div>
  </>;
}

const FORMS = { approval: Approval, signal: Signal, resolve: Resolve };

export function ActionCard({ action, done }: { action: RequiredAction; done: () => void }) {
  const { t } = useTranslation();
  const { may } = useSession();
  const Form = FORMS[action.kind];
  const allowed = may(action.kind === "approval" ? "approvals:decide" : "runs:act");
  return (
    <section className="card card-body" aria-label={`${action.title || action.name || action.step} ${shortId(action.task_id)}`}
      data-action={`${action.task_id}/${action.step}`}>
      <div className="between">
        <span className="tag">{t(`actions.${action.kind}`)}</span>
        {action.role && <span className="tag">{t("actions.role")}: {action.role}</span>}
      </div>
      <div>
        <h2>{action.title || action.name || action.step}</h2>
        <div className="muted">
          {action.workflow_id} · <Link to={`/ui/runs/${action.task_id}`}>{shortId(action.task_id)}
            <span className="sr"> {t("actions.open_run")}</span></Link>
        </div>
        <div className="muted">
          {t("actions.since", { time: dateTime(Date.parse(action.since)) })}
          {action.deadline && <> · {t("actions.deadline",
            { time: dateTime(Date.parse(action.deadline)) })}</>}
        </div>
        {action.assignees && action.assignees.length > 0 && (
          <div>{t("actions.assignees", { names: action.assignees.join(", ") })}</div>
        )}
      </div>
      {!allowed && <p className="muted">{t("actions.not_yours")}</p>}
      {Form && allowed && <Form action={action} done={done} />}
    </section>
  );
}

export default function Actions() {
  const { t } = useTranslation();
  const [role, setRole] = useState("");
  const list = useData<Page<RequiredAction>>("/approvals?limit=200", 2000);
  const items = list.data?.items ?? [];
  const roles = [...new Set(items.flatMap((each) => (each.role ? [each.role] : [])))].sort();
  const shown = role ? items.filter((each) => each.role === role) : items;
  return (
    <>
      <PageHead title={t("actions.title")} subtitle={t("actions.subtitle")}>
        {roles.length > 1 && (
          <select className="select inline-select" aria-label={t("actions.role")} value={role}
            onChange={(event) => setRole(event.target.value)}>
            <option value="">{t("actions.all_roles")}</option>
            {roles.map((each) => <option key={each}>{each}</option>)}
          </select>
        )}
      </PageHead>
      {list.error && <ErrorNotice error={list.error} again={list.reload} />}
      {list.loading && <div className="card"><Loading /></div>}
      {list.data && shown.length === 0 && <div className="card">
        <Empty icon="check" title={t("actions.empty")} hint={t("actions.empty_hint")} />
      </div>}
      <div className="cards wide-cards">
        {shown.map((each) => (
          <ActionCard key={`${each.task_id}/${each.step}`} action={each} done={list.reload} />
        ))}
      </div>
    </>
  );
}
