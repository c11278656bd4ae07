// SPDX-License-Identifier: Apache-2.0
// Who did what, and whether that history is what was written. Search and export are the server's.
import { type FormEvent, useEffect, useState } from "react";
import { useTranslation } from "react-i18next";
import { type ApiError, get, type Page } from "../api";
import { Empty, ErrorNotice, ErrorWords, Loading, PageHead } from "../components/basics";
import { Icon } from "../components/icon";
import { dateTime, integer } from "../format";
import { useData } from "../hooks";
import { Link, navigate, useLocation, withQuery } from "../router";
import { useSession } from "../session";

type Entry = {
  timestamp: string; user: string; action: string; resource: string; outcome: string;
  writer: string; epoch: number; n: number; details?: Record<string, unknown>;
};
type Verdict = {
  good: boolean; events: number; records: number; proven_until: string | null;
  problem?: { code: string; message: string; hint: string };
};
const TONES: Record<string, string> = { ok: "good", refused: "bad", failed: "warn", unknown: "warn" };

/** Whether history is what was written: looked at when the page is opened, and on demand. */
function Chain() {
  const { t } = useTranslation();
  const { session } = useSession();
  const [verdict, setVerdict] = useState<Verdict | null>(null);
  const [error, setError] = useState<ApiError | null>(null);
  const [busy, setBusy] = useState(false);
  const verify = async () => {
    setError(null);
    setBusy(true);
    try {
      setVerdict(await get<Verdict>("/audit/verify"));
    } catch (failure) {
      setError(failure as ApiError);
    } finally {
      setBusy(false);
    }
  };
  useEffect(() => {
    if (!session.tenant) void verify();
  }, [session.tenant]);
  if (session.tenant) return null; // chains belong to all tenants together
  return (
    <section className="card card-body chain" aria-labelledby="chain">
      <h2 id="chain">{t("audit.chain")}</h2>
      <div className="grow" role="status">
        {busy && <span className="row muted"><Icon name="spinner" spin />{t("audit.verifying")}</span>}
        {!busy && verdict?.good && <span className="row">
          <span className="status good"><Icon name="check" size={13} />{t("audit.intact")}</span>
          <span className="muted">{t("audit.intact_facts", {
            events: integer(verdict.events), records: integer(verdict.records),
            until: verdict.proven_until ? dateTime(Date.parse(verdict.proven_until))
              : t("audit.unproven"),
          })}</span>
        </span>}
        {!busy && verdict && !verdict.good && <>
          <span className="status bad"><Icon name="cross" size={13} />{t("audit.broken")}</span>
          {verdict.problem && <div className="notice bad"><Icon name="warning" />
            <div className="grow"><ErrorWords error={verdict.problem} /></div></div>}
        </>}
        {!busy && error && <ErrorNotice error={error} />}
      </div>
      <button className="button" disabled={busy} onClick={() => void verify()}>
        {t("audit.verify")}
      </button>
    </section>
  );
}

/** Of a field for a moment of this place, in the form that the server takes; "" if it is empty. */
const instant = (local: string) => (local ? new Date(local).toISOString() : "");
/** The way back. */
function localTime(text: string | null): string {
  const at = text ? new Date(text) : null;
  if (!at || Number.isNaN(at.getTime())) return "";
  return new Date(at.getTime() - at.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
}
const FILTERS = ["user", "action", "from", "to"] as const;

function Filters() {
  const { t } = useTranslation();
  const { query } = useLocation();
  const [user, setUser] = useState(query.get("user") ?? "");
  const [action, setAction] = useState(query.get("action") ?? "");
  const [from, setFrom] = useState(localTime(query.get("from")));
  const [to, setTo] = useState(localTime(query.get("to")));
  const filter = (event: FormEvent) => {
    event.preventDefault();
    navigate(withQuery({ user: user.trim(), action: action.trim(), from: instant(from),
      to: instant(to), cursor: "" }));
  };
  const clear = () => {
    setUser("");
    setAction("");
    setFrom("");
    setTo("");
    navigate(location.pathname);
  };
  return (
    <form className="filters" role="search" onSubmit={filter}>
      <input className="input inline-select" aria-label={t("audit.user")} value={user}
        placeholder={t("audit.user")} onChange={(event) => setUser(event.target.value)} />
      <input className="input inline-select" aria-label={t("audit.action")} value={action}
        placeholder={t("audit.action")} onChange={(event) => setAction(event.target.value)} />
      <label className="row inline-label">{t("audit.from")}
        <input className="input inline-select" type="datetime-local" value={from}
          onChange={(event) => setFrom(event.target.value)} />
      </label>
      <label className="row inline-label">{t("audit.to")}
        <input className="input inline-select" type="datetime-local" value={to}
          onChange={(event) => setTo(event.target.value)} />
      </label>
      <button className="button">{t("audit.filter")}</button>
      {FILTERS.some((name) => query.has(name)) && (
        <button type="button" className="button plain" onClick={clear}>{t("runs.clear")}</button>
      )}
    </form>
  );
}

export default function Audit() {
  const { t } = useTranslation();
  const { query } = useLocation();
  const asked = new URLSearchParams(query);
  if (!asked.has("limit")) asked.set("limit", "100");
  const list = useData<Page<Entry>>(`/audit?${asked}`);
  const taken = (format: string) => {
    const wanted = new URLSearchParams({ format });
    for (const name of FILTERS) if (query.get(name)) wanted.set(name, query.get(name) as string);
    return `/audit/export?${wanted}`;
  };
  const absent = list.error?.absent;
  return (
    <>
      <PageHead title={t("audit.title")} subtitle={t("audit.subtitle")}>
        {list.data && (["jsonl", "csv"] as const).map((format) => (
          <a key={format} className="button" href={taken(format)} download={`audit.${format}`}>
            <Icon name="download" />{t(`audit.export.${format}`)}
          </a>
        ))}
      </PageHead>
      <div className="stack">
      {list.data && <Chain />}
      <div className="card">
        {!absent && <Filters key={FILTERS.map((name) => query.get(name)).join()} />}
        {list.error && <div className="card-body">
          <ErrorNotice error={list.error} again={list.reload} />
        </div>}
        {list.loading && <Loading />}
        {list.data?.items.length === 0 && <Empty icon="audit" title={t("audit.empty")} />}
        {list.data && list.data.items.length > 0 && <div className="table-wrap" tabIndex={0} role="group" aria-label={t("audit.title")}>
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
                <td className="nowrap"><code>{entry.action}</code></td>
                <td className="mono audit-resource" title={entry.resource}>{entry.resource}</td>
                <td><span className={`status ${TONES[entry.outcome] ?? "idle"}`}>
                  {t(`audit.outcome.${entry.outcome}`, entry.outcome)}</span></td>
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
      </div>
    </>
  );
}
