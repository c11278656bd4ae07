// SPDX-License-Identifier: Apache-2.0
// Is it healthy, what is running, what needs me. One stream brings the whole state once a second, so
// that a connection that was lost needs nothing else to be right again.
import { lazy, Suspense, useState } from "react";
import { useTranslation } from "react-i18next";
import type { ApiError, Overview as Data, Tile as TileData } from "../api";
import { Empty, ErrorNotice, Live, Loading, PageHead, Segmented } from "../components/basics";
import { Icon } from "../components/icon";
import { ended, Status } from "../components/status";
import {
  ago, duration, fixed, integer, modelName, percent, shortId, signed, successPercent,
} from "../format";
import { useStream } from "../hooks";
import { Link } from "../router";

const Chart = lazy(() => import("../components/chart"));
const WINDOWS = ["3600", "86400", "604800"] as const;
type Window = (typeof WINDOWS)[number];

function Delta({ delta, text, better }: {
  delta: number; text: string; better: "more" | "less" | "neither";
}) {
  const rounded = Math.abs(delta) < 0.005 ? 0 : delta;
  const good = rounded === 0 || better === "neither" ? "" : (rounded > 0) === (better === "more")
    ? "good" : "bad";
  return (
    <div className={`delta ${good}`}>
      {rounded !== 0 && <Icon name={rounded > 0 ? "up" : "down"} size={13} />}
      {text}
    </div>
  );
}

function Tiles({ data, window }: { data: Data; window: Window }) {
  const { t } = useTranslation();
  const period = t(`overview.last.${window}`);
  const { processed, mean_seconds, success_percent, utilization_percent } = data.tiles;
  const against = (tile: TileData, better: "more" | "less", text: (value: number) => string) =>
    tile.delta === null
      ? <div className="delta">{t("tile.no_delta")}</div>
      : <Delta delta={tile.delta} better={better}
          text={t("tile.delta", { period, value: signed(tile.delta, text(tile.delta)) })} />;
  const tile = (id: string, label: string, value: string, below: React.ReactNode) => (
    <section className="card tile" aria-labelledby={`tile-${id}`} data-tile={id}>
      <h2 className="label" id={`tile-${id}`}>{label}</h2>
      <div className="value num">{value}</div>
      {below}
    </section>
  );
  return (
    <div className="tiles">
      {tile("processed", t("tile.processed"), integer(processed.value ?? 0),
        <Delta delta={processed.delta ?? 0} better="neither"
          text={t("tile.delta.processed",
            { period, value: signed(processed.delta ?? 0, integer(processed.delta ?? 0)) })} />)}
      {tile("mean", t("tile.mean"),
        mean_seconds.value === null ? "–"
          : t("tile.seconds", { value: fixed(mean_seconds.value, 2) }),
        against(mean_seconds, "less", (value) => t("tile.seconds", { value: fixed(value, 2) })))}
      {tile("success", t("tile.success"),
        success_percent.value === null ? "–" : successPercent(success_percent.value),
        against(success_percent, "more",
          (value) => t("tile.points", { value: value.toFixed(1) })))}
      {tile("utilization", t(`tile.${utilization_percent.device}`),
        percent(utilization_percent.value),
        <div className="delta">{t("tile.cores", { count: utilization_percent.cores })}</div>)}
    </div>
  );
}

function Meter({ parts, label }: { parts: [string, number][]; label: string }) {
  return (
    <div className="meter" role="img" aria-label={label}>
      {parts.map(([kind, share]) => (
        <span key={kind} className={kind} style={{ width: `${Math.min(100, share * 100)}%` }} />
      ))}
    </div>
  );
}

function Engine({ data }: { data: Data }) {
  const { t } = useTranslation();
  const engine = data.engine;
  const tokens = engine.thinking_tokens + engine.answer_tokens;
  const prompt = engine.prompt_tokens + engine.cached_tokens;
  const cached = prompt ? engine.cached_tokens / prompt : 0;
  const kv = engine.kv_blocks ? engine.kv_used / engine.kv_blocks : 0;
  const kvCached = engine.kv_blocks ? engine.kv_cached / engine.kv_blocks : 0;
  const line = (name: string, value: string) => (
    <div className="line"><span>{name}</span><b className="num">{value}</b></div>
  );
  return (
    <section className="card" aria-labelledby="engine-title">
      <div className="card-head"><h2 id="engine-title">{t("engine.title")}</h2></div>
      <div className="card-body engine">
        <div>
          <div className="big num">
            {t("engine.tokens_per_s", { value: fixed(engine.tokens_per_s, 1) })}
          </div>
          <span className="muted">{t("engine.throughput")}</span>
        </div>
        <div>
          {line(t("engine.queue"), t("engine.queue_value",
            { running: engine.running, waiting: engine.waiting }))}
          {line(t("engine.alive"), t("engine.alive_value", {
            running: data.alive.running ?? 0, waiting: data.alive.waiting ?? 0,
            queued: data.alive.queued ?? 0,
          }))}
        </div>
        <div>
          {line(t("engine.thinking"), integer(engine.thinking_tokens))}
          {line(t("engine.answer"), integer(engine.answer_tokens))}
          <Meter label={t("engine.tokens")} parts={tokens
            ? [["think", engine.thinking_tokens / tokens], ["", engine.answer_tokens / tokens]]
            : []} />
        </div>
        <div>
          {line(t("engine.kv"), t("engine.kv_value",
            { used: integer(engine.kv_used), total: integer(engine.kv_blocks) }))}
          <Meter label={t("engine.kv")} parts={[["", kv], ["soft", kvCached]]} />
        </div>
        <div>
          {line(t("engine.prefix"), percent(cached * 100))}
          <Meter label={t("engine.prefix")} parts={[["good", cached]]} />
        </div>
      </div>
    </section>
  );
}

function StatusTable({ data }: { data: Data }) {
  const { t } = useTranslation();
  return (
    <section className="card" aria-labelledby="status-title">
      <div className="card-head">
        <h2 id="status-title">{t("status_table.title")}</h2>
        <Link to="/ui/runs">{t("overview.all_runs")}</Link>
      </div>
      {data.newest.length === 0
        ? <Empty icon="runs" title={t("status_table.empty")} hint={t("status_table.empty_hint")} />
        : <div className="table-wrap"><table className="table">
            <caption className="sr">{t("status_table.title")}</caption>
            <thead><tr>
              <th scope="col">{t("field.run")}</th>
              <th scope="col">{t("field.workflow")}</th>
              <th scope="col">{t("field.status")}</th>
              <th scope="col">{t("field.created")}</th>
              <th scope="col" className="end">{t("field.duration")}</th>
            </tr></thead>
            <tbody>{data.newest.map((run) => (
              <tr key={run.task_id}>
                <td className="id">
                  <Link to={`/ui/runs/${run.task_id}`} title={run.task_id}>
                    {shortId(run.task_id)}
                  </Link>
                </td>
                <td className="nowrap">{run.workflow_id}</td>
                <td><Status status={run.status} /></td>
                <td className="nowrap muted">{ago(run.created_ms, data.now_ms)}</td>
                <td className="end num nowrap">
                  {duration((ended(run.status) && run.finished_ms ? run.finished_ms : data.now_ms) -
                    run.created_ms)}
                </td>
              </tr>
            ))}</tbody>
          </table></div>}
    </section>
  );
}

export default function Overview() {
  const { t } = useTranslation();
  const [window, setWindow] = useState<Window>("3600");
  const [data, setData] = useState<Data | null>(null);
  const [error, setError] = useState<ApiError | null>(null);
  const live = useStream(`/overview?window=${window}`, (event) => {
    if (event.event === "overview") setData(JSON.parse(event.data) as Data);
  }, "", setError);
  const fits = data !== null && String(data.window_s) === window;
  return (
    <>
      <PageHead title={t("overview.title", { model: modelName(data?.model ?? null) })}
        subtitle={t("overview.subtitle")}>
        <Live state={live} />
        <Segmented label={t("overview.window")} value={window} onChange={setWindow}
          options={WINDOWS.map((each) => [each, t(`overview.window.${each}`)])} />
      </PageHead>
      {error && <div className="stack-below"><ErrorNotice error={error} /></div>}
      {data === null ? error === null && <div className="card"><Loading lines={8} /></div> : (
        <div className="stack">
          {data.actions > 0 && (
            <div className="notice warn">
              <Icon name="actions" />
              <div className="grow">{t("overview.actions", { count: data.actions })}</div>
              <Link to="/ui/actions">{t("overview.decide")}</Link>
            </div>
          )}
          <Tiles data={data} window={String(data.window_s) as Window} />
          <div className="overview-grid">
            <section className="card" aria-labelledby="chart-title">
              <div className="card-head">
                <h2 id="chart-title">{t("chart.title")}</h2>
                <div className="legend" aria-hidden="true">
                  <span><i />{t("chart.mean")}</span>
                  <span><i className="p95" />{t("chart.p95")}</span>
                </div>
              </div>
              <div className="card-body">
                {fits && data.series.every((point) => point[3] === null)
                  ? <div className="chart"><Empty icon="overview" title={t("chart.empty")} /></div>
                  : <Suspense fallback={<div className="chart" />}>
                      <Chart points={data.series} windowS={data.window_s} />
                    </Suspense>}
              </div>
            </section>
            <Engine data={data} />
          </div>
          <StatusTable data={data} />
        </div>
      )}
    </>
  );
}
