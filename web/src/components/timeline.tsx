// SPDX-License-Identifier: Apache-2.0
// Steps as bars over the time of the run, in the order in which they began. Only rows in sight exist.
import { useMemo, useRef, useState } from "react";
import { useTranslation } from "react-i18next";
import type { GraphNode, RunView } from "../api";
import { duration } from "../format";
import { ended, tone } from "./status";

const ROW = 30;

export function Timeline({ run, now, chosen, onChoose }: {
  run: RunView; now: number; chosen: string; onChoose: (id: string) => void;
}) {
  const { t } = useTranslation();
  const box = useRef<HTMLDivElement>(null);
  const [top, setTop] = useState(0);
  const rows = useMemo(() => {
    const begun = (step: GraphNode) => step.started_ms || Number.MAX_SAFE_INTEGER;
    return [...run.steps].sort((a, b) => begun(a) - begun(b));
  }, [run.steps]);
  const from = run.started_ms || run.created_ms;
  const to = Math.max(run.finished_ms || now, from + 1);
  const height = box.current?.clientHeight ?? 700;
  const first = Math.max(0, Math.floor(top / ROW) - 10);
  const last = Math.min(rows.length, Math.ceil((top + height) / ROW) + 10);
  return (
    <div className="gantt" ref={box} onScroll={(event) => setTop(event.currentTarget.scrollTop)}
      tabIndex={0} role="group" aria-label={t("run.timeline")}>
      <div className="gantt-rows" style={{ height: rows.length * ROW }}>
        {rows.slice(first, last).map((step, index) => {
          const began = step.started_ms ?? 0;
          const finished = step.finished_ms || (ended(step.status ?? "") ? began : now);
          const share = (ms: number) => `${Math.min(100, Math.max(0, (ms - from) / (to - from) * 100))}%`;
          const took = began ? duration(finished - began) : t(`status.${step.status}`);
          return (
            <button key={step.id} type="button" style={{ top: (first + index) * ROW }}
              className={`gantt-row ${step.id === chosen ? "chosen" : ""}`}
              onClick={() => onChoose(step.id)}>
              <span className="label">
                <i className={`dot ${tone(step.status)}`} />{step.id}
                <span className="sr">, {t(`status.${step.status}`)}</span>
              </span>
              <span className="lane">
                {began > 0 && <span className={`bar ${tone(step.status)}`} style={{
                  left: share(began), width: `calc(${share(finished)} - ${share(began)})`,
                }} />}
              </span>
              <span className="num muted end nowrap">{took}</span>
            </button>
          );
        })}
      </div>
    </div>
  );
}
