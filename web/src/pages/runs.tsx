// SPDX-License-Identifier: Apache-2.0
// Every run, newest first, by pages of a cursor; the filter stands in the address, to be sent on.
import { useEffect, useState } from "react";
import { useTranslation } from "react-i18next";
import type { Definition, Page, RunSummary } from "../api";
import { Empty, ErrorNotice, errorText, Loading, PageHead } from "../components/basics";
import { Icon } from "../components/icon";
import { ended, Status } from "../components/status";
import { ago, duration, shortId } from "../format";
import { useData, useDebounced, useNow } from "../hooks";
import { Link, navigate, useLocation, withQuery } from "../router";

const STATUSES = ["queued", "running", "waiting", "succeeded", "failed", "cancelled", "timed_out"];
const LIMIT = 50;

function Row({ run, now }: { run: RunSummary; now: number }) {
  const { t } = useTranslation();
  const created = Date.parse(run.created_at);
  const finished = run.finished_at ? Date.parse(run.finished_at) : now;
  return (
    <tr>
      <td className="id">
        <Link to={`/ui/runs/${run.task_id}`} title={run.task_id}>{shortId(run.task_id)}</Link>
      </td>
      <td className="nowrap">{run.workflow_id}</td>
      <td><Status status={run.status} /></td>
      <td className="nowrap muted" title={run.created_at}>{ago(created, now)}</td>
      <td className="end num nowrap">
        {duration((ended(run.status) ? finished : now) - created)}
      </td>
      <td><div className="error-cell" title={run.error?.message}>
        {run.error && errorText(run.error, t)}
      </div></td>
    </tr>
  );
}

export default function Runs() {
  const { t } = useTranslation();
  const { query } = useLocation();
  const status = query.get("status") ?? "";
  const workflow = query.get("workflow") ?? "";
  const cursor = query.get("cursor") ?? "";
  const [text, setText] = useState(query.get("search") ?? "");
  const search = useDebounced(text.trim(), 250);
  useEffect(() => {
    if (search !== (query.get("search") ?? "")) {
      navigate(withQuery({ search, cursor: "" }), { replace: true });
    }
  }, [search]);
  const asked = new URLSearchParams({ limit: String(LIMIT) });
  if (status) asked.set("status", status);
  if (workflow) asked.set("workflow_id", workflow);
  if (query.get("search")) asked.set("search", query.get("search") ?? "");
  if (cursor) asked.set("cursor", cursor);
  const runs = useData<Page<RunSummary>>(`/workflows?${asked}`, cursor ? 0 : 2000);
  const definitions = useData<Page<Definition>>("/definitions");
  const now = useNow(1000);
  const names = new Set(definitions.data?.items.map((each) => each.id));
  if (workflow) names.add(workflow);
  const filtered = status !== "" || workflow !== "" || search !== "";
  const clear = () => {
    setText("");
    navigate(location.pathname);
  };
  return (
    <>
      <PageHead title={t("runs.title")} subtitle={t("runs.subtitle")} />
      <div className="card">
        <div className="filters" role="search">
          <div className="search">
            <Icon name="search" />
            <input className="input" type="search" aria-label={t("runs.search")}
              placeholder={t("runs.search")} value={text}
              onChange={(event) => setText(event.target.value)} />
          </div>
          <select className="select inline-select" aria-label={t("field.status")} value={status}
            onChange={(event) => navigate(withQuery({ status: event.target.value, cursor: "" }))}>
            <option value="">{t("field.status")}: {t("runs.all")}</option>
            {STATUSES.map((each) => (
              <option key={each} value={each}>{t(`status.${each}`)}</option>
            ))}
          </select>
          <select className="select inline-select" aria-label={t("field.workflow")} value={workflow}
            onChange={(event) => navigate(withQuery({ workflow: event.target.value, cursor: "" }))}>
            <option value="">{t("runs.workflow_all")}</option>
            {[...names].sort().map((each) => <option key={each} value={each}>{each}</option>)}
          </select>
          {filtered && <button className="button plain" onClick={clear}>{t("runs.clear")}</button>}
        </div>
        {runs.error && <div className="card-body">
          <ErrorNotice error={runs.error} again={runs.reload} />
        </div>}
        {runs.loading && <Loading lines={8} />}
        {runs.data && runs.data.items.length === 0 && (
          <Empty icon="runs" title={t(filtered || cursor ? "runs.empty" : "runs.none")}
            hint={filtered ? undefined : t("status_table.empty_hint")} />
        )}
        {runs.data && runs.data.items.length > 0 && (
          <div className="table-wrap"><table className="table">
            <caption className="sr">{t("runs.title")}</caption>
            <thead><tr>
              <th scope="col">{t("field.run")}</th>
              <th scope="col">{t("field.workflow")}</th>
              <th scope="col">{t("field.status")}</th>
              <th scope="col">{t("field.created")}</th>
              <th scope="col" className="end">{t("field.duration")}</th>
              <th scope="col">{t("field.error")}</th>
            </tr></thead>
            <tbody>
              {runs.data.items.map((run) => <Row key={run.task_id} run={run} now={now} />)}
            </tbody>
          </table></div>
        )}
        {runs.data && (cursor || runs.data.next_cursor) && (
          <div className="pager">
            {cursor && <Link className="button" to={withQuery({ cursor: "" })}>
              {t("runs.newest")}
            </Link>}
            {runs.data.next_cursor && (
              <Link className="button" to={withQuery({ cursor: runs.data.next_cursor })}>
                {t("runs.older")}
              </Link>
            )}
          </div>
        )}
      </div>
    </>
  );
}
