// SPDX-License-Identifier: Apache-2.0
// What may be done to a run: cancel, retry, fork with an edited input, send a signal, verify.
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { type ApiError, post, type RunView } from "../api";
import { myName } from "../person";
import { navigate } from "../router";
import { useSession } from "../session";
import { Dialog, Field } from "./basics";
import { Icon } from "./icon";
import { parsedObject } from "./run_dialog";
import { ended } from "./status";
import { notify, notifyError } from "./toasts";

export type Act = { kind: "cancel" | "retry" | "fork" | "signal"; step?: string } | null;

export function ActDialog({ run, act, onClose, onDone }: {
  run: RunView; act: NonNullable<Act>; onClose: () => void; onDone: () => void;
}) {
  const { t } = useTranslation();
  const first = run.steps.find((step) => step.after.length === 0)?.id ?? "";
  const [step, setStep] = useState(act.step ?? first);
  const [input, setInput] = useState(() => JSON.stringify(run.input ?? {}, null, 2));
  const [name, setName] = useState(run.steps.find((each) => each.status === "waiting" &&
    each.type === "signal")?.waits_for ?? "");
  const [payload, setPayload] = useState("{}");
  const base = `/workflows/${run.task_id}`;
  const opened = (started: { task_id: string }) => {
    notify(t("run.started_as"));
    onClose();
    navigate(`/ui/runs/${started.task_id}`);
  };
  const acted = (said: { outcome: string }) => {
    notify(t(said.outcome === "applied" ? "run.acted" : "run.acted_stored"));
    onClose();
    onDone();
  };
  const by = myName() ? { by: myName() } : {};
  switch (act.kind) {
    case "cancel":
      return (
        <Dialog title={t("run.cancel")} confirm={t("run.cancel")} danger onClose={onClose}
          onConfirm={async () => acted(await post(`${base}/cancel`, by))}>
          <p>{t("run.cancel_text")}</p>
        </Dialog>
      );
    case "retry":
      return (
        <Dialog title={t(act.step ? "run.retry_from" : "run.retry")}
          confirm={t(act.step ? "run.retry_from" : "run.retry")} onClose={onClose}
          onConfirm={async () => opened(await post(`${base}/retry`,
            act.step ? { from: act.step } : {}))}>
          <p>{act.step ? t("run.retry_from_text", { step: act.step }) : t("run.retry_text")}</p>
        </Dialog>
      );
    case "fork":
      return (
        <Dialog title={t("run.fork")} confirm={t("run.fork")} onClose={onClose}
          onConfirm={async () => opened(await post(`${base}/fork`,
            { from: step, set: parsedObject(input, t) }))}>
          <p>{t("run.fork_text", { step })}</p>
          <Field label={t("run.fork_from")}>
            {(ids) => <select {...ids} className="select" value={step}
              onChange={(event) => setStep(event.target.value)}>
              {run.steps.map((each) => <option key={each.id}>{each.id}</option>)}
            </select>}
          </Field>
          <Field label={t("run.fork_input")}>
            {(ids) => <textarea {...ids} className="area code" spellCheck={false} value={input}
              onChange={(event) => setInput(event.target.value)} />}
          </Field>
        </Dialog>
      );
    case "signal":
      return (
        <Dialog title={t("run.signal")} confirm={t("actions.send")} onClose={onClose}
          disabled={!name.trim()}
          onConfirm={async () => acted(await post(
            `${base}/signals/${encodeURIComponent(name.trim())}`, parsedObject(payload, t)))}>
          <Field label={t("run.signal_name")} required>
            {(ids) => <input {...ids} className="input" value={name} required
              onChange={(event) => setName(event.target.value)} />}
          </Field>
          <Field label={t("run.signal_payload")}>
            {(ids) => <textarea {...ids} className="area code" spellCheck={false} value={payload}
              onChange={(event) => setPayload(event.target.value)} />}
          </Field>
        </Dialog>
      );
  }
}

type Replayed = { calls?: { difference?: string | null }[]; items?: { difference?: string | null }[];
  verified?: boolean; equal?: boolean };

/** Makes every decision of the run's models again; null while nobody asked. */
function Verify({ run }: { run: RunView }) {
  const { t } = useTranslation();
  const [busy, setBusy] = useState(false);
  const [verdict, setVerdict] = useState<{ count: number; different: number } | null>(null);
  const verify = async () => {
    setBusy(true);
    try {
      const told = await post<Replayed>(`/workflows/${run.task_id}/replay`);
      const calls = told.calls ?? told.items ?? [];
      setVerdict({ count: calls.length,
        different: calls.filter((call) => call.difference).length });
    } catch (failure) {
      notifyError(failure as ApiError);
    } finally {
      setBusy(false);
    }
  };
  if (verdict) {
    const { count, different } = verdict;
    const text = count === 0 ? t("run.replay_none")
      : different ? t("run.replay_differs", { count: different, total: count })
        : t("run.replay_ok", { count });
    return <span className={`status ${different ? "bad" : "good"}`} role="status" title={text}>
      <Icon name={different ? "cross" : "check"} size={13} />{text}
    </span>;
  }
  return <button className="button" disabled={busy} title={t("run.replay_text")}
    onClick={() => void verify()}>
    {busy && <Icon name="spinner" spin />}{t("run.replay")}
  </button>;
}

export function RunActs({ run, onAct }: { run: RunView; onAct: (act: Act) => void }) {
  const { t } = useTranslation();
  const { may } = useSession();
  const over = ended(run.status);
  if (!may("runs:act")) return over && run.tokens.calls > 0 ? <Verify run={run} /> : null;
  return <>
    {over && run.tokens.calls > 0 && <Verify run={run} />}
    {!over && <button className="button" onClick={() => onAct({ kind: "signal" })}>
      {t("run.signal")}
    </button>}
    {!over && <button className="button danger" onClick={() => onAct({ kind: "cancel" })}>
      {t("run.cancel")}
    </button>}
    {over && run.status !== "succeeded" && (
      <button className="button primary" onClick={() => onAct({ kind: "retry" })}>
        {t("run.retry")}
      </button>
    )}
    <button className="button" onClick={() => onAct({ kind: "fork" })}>{t("run.fork")}</button>
  </>;
}
