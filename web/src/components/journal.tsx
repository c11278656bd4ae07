// SPDX-License-Identifier: Apache-2.0
// Every event of a run as it is stored, in order, and those that come while one looks.
import { useEffect, useRef, useState } from "react";
import { useTranslation } from "react-i18next";
import { clock, integer } from "../format";
import { useDebounced, useStream } from "../hooks";
import { Empty, Json } from "./basics";

type Entry = { seq: string; at: number; kind: string; what: string; text: string };
const SHOWN = 200;

function entryOf(seq: string, text: string): Entry {
  const body = JSON.parse(text) as Record<string, unknown>;
  const kind = String(body.kind ?? "");
  const path = String(body.path ?? "");
  const rest = Object.entries(body).filter(([name]) =>
    !["at", "kind", "path"].includes(name));
  return { seq, kind, text, at: Number(body.at ?? 0) / 1000, what: [path, rest.length ? JSON.stringify(Object.fromEntries(rest)) : ""]
    .filter(Boolean).join("  ") };
}

function Row({ entry }: { entry: Entry }) {
  const [open, setOpen] = useState(false);
  return (
    <details onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>
        <span className="num muted">{entry.seq}</span>
        <span className="num muted">{clock(entry.at)}</span>
        <code>{entry.kind}</code>
        <span className="what mono">{entry.what.slice(0, 300)}</span>
      </summary>
      {open && <Json value={JSON.parse(entry.text)} label={`${entry.seq} ${entry.kind}`} />}
    </details>
  );
}

export function Journal({ run }: { run: string }) {
  const { t } = useTranslation();
  const all = useRef<Entry[]>([]);
  const [count, setCount] = useState(0);
  const [limit, setLimit] = useState(SHOWN);
  const [text, setText] = useState("");
  const wanted = useDebounced(text.trim().toLowerCase(), 150);
  const timer = useRef(0);
  useStream(`/workflows/${run}/events`, (event) => {
    if (event.event !== "state") return;
    all.current.push(entryOf(event.id, event.data));
    timer.current ||= window.setTimeout(() => {
      timer.current = 0;
      setCount(all.current.length);
    }, 120);
  });
  useEffect(() => () => clearTimeout(timer.current), []);
  const fitting = wanted
    ? all.current.filter((entry) => entry.text.toLowerCase().includes(wanted)) : all.current;
  return (
    <div className="card">
      <div className="filters">
        <input className="input inline-select" type="search" aria-label={t("run.filter_events")}
          placeholder={t("run.filter_events")} value={text}
          onChange={(event) => setText(event.target.value)} />
        <span className="muted num">{t("run.events", { count: integer(count) as never })}</span>
      </div>
      {fitting.length === 0 ? <Empty icon="runs" title={t("run.no_journal")} /> : (
        <div className="events">
          {fitting.slice(0, limit).map((entry) => <Row key={entry.seq} entry={entry} />)}
        </div>
      )}
      {fitting.length > limit && <div className="pager">
        <button className="button" onClick={() => setLimit(limit + 5 * SHOWN)}>
          {t("run.more_events")}
        </button>
      </div>}
    </div>
  );
}
