// SPDX-License-Identifier: Apache-2.0
import { type FormEvent, useState } from "react";
import { useTranslation } from "react-i18next";
import { type ApiError, get, type Page } from "../api";
import { Empty, ErrorNotice, Loading, PageHead } from "../components/basics";
import { Icon } from "../components/icon";
import { dateTime, integer } from "../format";
import { useData } from "../hooks";
import { Link, navigate, useLocation, withQuery } from "../router";

type Entry = { user?: string; action?: string; timestamp?: string } & Record<string, unknown>;
type Verdict = { intact?: boolean; valid?: boolean; ok?: boolean; records?: number; message?: string };

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
  const good = verdict && (verdict.intact ?? verdict.valid ?? verdict.ok ?? false);
  return <>
    <button className="button" onClick={() => void verify()}>{t("audit.verify")}</button>
    {verdict && <span className={`status ${good ? "good" : "bad"}`} role="status">
      <Icon name={good ? "check" : "cross"} size={13} />
      {good ? t("audit.intact", { count: integer(verdict.records ?? 0) as never })
        : t("audit.broken")}
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
              <th scope="col">{t("field.details")}</th>
            </tr></thead>
            <tbody>{list.data.items.map((entry, index) => {
              const { user: who, action: what, timestamp, ...rest } = entry;
              return (
                <tr key={index}>
                  <td className="nowrap">{timestamp ? dateTime(Date.parse(timestamp)) : ""}</td>
                  <td>{who}</td>
                  <td><code>{what}</code></td>
                  <td className="mono muted">{JSON.stringify(rest)}</td>
                </tr>
              );
            })}</tbody>
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
