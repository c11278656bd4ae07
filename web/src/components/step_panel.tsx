// SPDX-License-Identifier: Apache-2.0
// One step of a run: what it was told, what it gave, why, and what its models decided.
import { useEffect } from "react";
import { useTranslation } from "react-i18next";
import type { RunView, StepView } from "../api";
import { clock } from "../format";
import { useData } from "../hooks";
import { told } from "../told";
import { ErrorNotice, ErrorWords, Facts, Json, Loading } from "./basics";
import { CallCard, inOrder, LiveAnswer, type LiveText } from "./calls";
import { Icon } from "./icon";
import { Status } from "./status";

/** Explanations of the server, in the language of the page as far as they are known. */
export function Told({ lines }: { lines: string[] }) {
  return lines.map((line) => {
    const { text, lang } = told(line);
    return <p key={line} lang={lang}>{text}</p>;
  });
}

export function StepPanel({ run, id, live, onClose, onRetry, onFork }: {
  run: RunView; id: string; live?: LiveText; onClose: () => void;
  onRetry?: () => void; onFork?: () => void;
}) {
  const { t } = useTranslation();
  const path = `/workflows/${run.task_id}/steps/${encodeURIComponent(id)}`;
  const step = useData<StepView>(path);
  const node = run.steps.find((each) => each.id === id);
  const stamp = `${node?.status}/${node?.attempts}/${node?.items?.ended}`;
  useEffect(() => {
    if (step.data) step.reload();
  }, [stamp]);
  const data = step.data;
  return (
    <aside className="card step-panel" aria-label={`${t("field.step")} ${id}`} data-step={id}>
      <div className="card-head">
        <h2 className="mono">{id}</h2>
        <div className="row">
          {node?.status && <Status status={node.status} />}
          <button className="button plain icon" aria-label={t("step.close")} onClick={onClose}>
            <Icon name="cross" />
          </button>
        </div>
      </div>
      {step.loading && <Loading />}
      {step.error && <div className="card-body">
        <ErrorNotice error={step.error} again={step.reload} />
      </div>}
      {data && <div className="card-body">
        {(onRetry || onFork) && <div className="row">
          {onRetry && <button className="button small" onClick={onRetry}>{t("run.retry_from")}</button>}
          {onFork && <button className="button small" onClick={onFork}>{t("run.fork")}</button>}
        </div>}
        {data.error && <div className="notice bad">
          <Icon name="warning" />
          <div className="grow"><ErrorWords error={data.error} /></div>
        </div>}
        <Facts items={[
          [t("field.type"), <code key="t">{data.type}</code>],
          [t("field.attempts"), node?.attempts ?? 0],
          [t("step.depends"), data.dependencies.join(", ") || t("common.none")],
          ...(data.when ? [[t("step.when"), <code key="w">{data.when}</code>] as [string, React.ReactNode]] : []),
          ...(data.join !== "all_ok" ? [[t("step.join"), <code key="j">{data.join}</code>] as [string, React.ReactNode]] : []),
          ...(data.effect ? [[t("step.effect"), `${data.effect.state} · ${data.effect.key}`] as [string, React.ReactNode]] : []),
        ]} />
        {live && <LiveAnswer text={live} />}
        {inOrder(data.calls ?? []).map((call, index) => (
          <CallCard key={`${call.path}/${call.attempt}/${call.n}`} call={call} number={index + 1}
            parameters={data.parameters} />
        ))}
        {data.output !== null && <div className="stack-small">
          <h3>{t("step.output")}</h3><Json value={data.output} label={t("step.output")} />
        </div>}
        {data.asked && <div className="stack-small">
          <h3>{t("step.asked")}</h3><Json value={data.asked} label={t("step.asked")} />
        </div>}
        {data.items && <details className="fold">
          <summary>{t("step.items")} ({data.items.length})</summary>
          <Json value={data.items} label={t("step.items")} />
        </details>}
        {data.why.length > 0 && <div className="stack-small">
          <h3>{t("run.why")}</h3>
          <Told lines={data.why} />
        </div>}
        <details className="fold">
          <summary>{t("step.parameters")}</summary>
          <Json value={data.parameters} label={t("step.parameters")} />
        </details>
        <details className="fold">
          <summary>{t("step.history")} ({data.history.length})</summary>
          <ol className="history">
            {data.history.slice(0, 300).map((entry, index) => (
              <li key={index}>
                <span className="num muted">{clock(Date.parse(entry.at))}</span>
                <Status status={entry.status} />
                <span>{entry.path ? `${entry.path} ` : ""}
                  {entry.why && <span lang={told(entry.why).lang}>{told(entry.why).text}</span>}
                </span>
              </li>
            ))}
          </ol>
        </details>
      </div>}
    </aside>
  );
}
