// SPDX-License-Identifier: Apache-2.0
import { type FormEvent, useState } from "react";
import { useTranslation } from "react-i18next";
import { type ApiError, get, type Page } from "../api";
import { Empty, ErrorNotice, Loading, PageHead } from "../components/basics";
import { Icon } from "../components/icon";
import { dateTime, integer } from "../format";
import { useData } from "../hooks";
import { Link, navigate, useLocation, withQuery } from "../router";

type Entry = {
  timestamp: string; user: string; action: string; resource: string; outcome: string;
  writer: string; epoch: number; n: number; details?: Record<string, unknown>;
};
type Verdict = {
  good: boolean; events: number; records: number; proven_until: string | null;
  problem?: { code: string; message: string; hint: string };
};
const TONES: Record<string, string> = { ok: "good", refused: "bad", failed: "warn" };

function Verify() {
  const { t } = useTranslation();
  const [verdict, setVerdict] = useState<Verdict | null>(null);
  const [error, setError] = useState<ApiError | null>(null);
  const verify = async () => {
    setError(null);
    try {
      setVerdict(await get<Verdict>("/audit/verify"));
    } catch (failure) {
      setError(failure as ApiError);
    }
  };
  return <>
    <button className="button" onClick={() => void verify()}>{t("audit.verify")}</button>
    {verdict && <span className={`status ${verdict.good ? "good" : "bad"}`} role="status"
      title={verdict.problem?.hint}>
      <Icon name={verdict.good ? "check" : "cross"} size={13} />
      {verdict.good ? t("audit.intact", {
        events: integer(verdict.events), records: integer(verdict.records),
        until: verdict.proven_until ? dateTime(Date.parse(verdict.proven_until))
          : t("audit.unproven"),
      }) : `${t("audit.broken")} ${verdict.problem?.message ?? ""}`}
    </span>}
    {error && <span className="status bad" role="alert">{error.message}</span>}
  </>;
}

export default function Audit() {
  const { t } = useTranslation();
  const { query } = useLocation();
  const asked = new URLSearchParams(query);
  if (!asked.has("limit")) asked.set("limit", "100");
  const list = useData<Page<Entry>>(`/audit?${asked}`);
  const [user, setUser] = useState(query.get("user") ?? "");
  const [action, setAction] = useState(query.get("action") ?? "");
  const filter = (event: FormEvent) => {
    event.preventDefault();
    navigate(withQuery({ user: user.trim(), action: action.trim(), cursor: "" }));
  };
  const save = () => {
    const lines = (list.data?.items ?? []).map((each) => JSON.stringify(each)).join("\n");
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([`${lines}\n`], { type: "application/x-ndjson" }));
    link.download = "audit.jsonl";
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  };
  const absent = list.error?.absent;
  return (
    <>
      <PageHead title={t("audit.title")} subtitle={t("audit.subtitle")}>
        {list.data && <>
          <Verify />
          <button className="button" onClick={save}>{t("audit.export")}</button>
        </>}
      </PageHead>
      <div className="card">
        {!absent && <form className="filters" role="search" onSubmit={filter}>
          <input className="input inline-select" aria-label={t("audit.user")} value={user}
            placeholder={t("audit.user")} onChange={(event) => setUser(event.target.value)} />
          <input className="input inline-select" aria-label={t("audit.action")} value={action}
            placeholder={t("audit.action")} onChange={(event) => setAction(event.target.value)} />
          <button className="button">{t("audit.filter")}</button>
        </form>}
        {list.error && <div className="card-body">
          <ErrorNotice error={list.error} again={list.reload} />
        </div>}
        {list.loading && <Loading />}
        {list.data?.items.length === 0 && <Empty icon="audit" title={t("audit.empty")} />}
        {list.data && list.data.items.length > 0 && <div className="table-wrap">
          <table className="table">
            <caption className="sr">{t("audit.title")}</caption>
            <thead><tr>
              <th scope="col">{t("field.time")}</th>
              <th scope="col">{t("field.user")}</th>
              <th scope="col">{t("field.action")}</th>
              <th scope="col">{t("field.resource")}</th>
              <th scope="col">{t("field.outcome")}</th>
              <th scope="col">{t("field.details")}</th>
            </tr></thead>
            <tbody>{list.data.items.map((entry) => (
              <tr key={`${entry.writer}/${entry.epoch}/${entry.n}`}>
                <td className="nowrap">{dateTime(Date.parse(entry.timestamp))}</td>
                <td>{entry.user}</td>
                <td><code>{entry.action}</code></td>
                <td className="mono audit-resource" title={entry.resource}>{entry.resource}</td>
                <td><span className={`status ${TONES[entry.outcome] ?? "idle"}`}>
                  {entry.outcome}</span></td>
                <td className="mono muted audit-resource" title={JSON.stringify(entry.details)}>
                  {entry.details && JSON.stringify(entry.details)}
                </td>
              </tr>
            ))}</tbody>
          </table>
        </div>}
        {list.data?.next_cursor && <div className="pager">
          <Link className="button" to={withQuery({ cursor: list.data.next_cursor })}>
            {t("runs.older")}
          </Link>
        </div>}
      </div>
    </>
  );
}
