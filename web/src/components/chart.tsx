// SPDX-License-Identifier: Apache-2.0
// Processing time over time: lines with markers, one hover for all of them (uPlot on a canvas).
import { useEffect, useRef } from "react";
import { useTranslation } from "react-i18next";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import type { SeriesPoint } from "../api";
import { clock, dateTime, fixed, integer } from "../format";
import { useShownTheme } from "../theme";

const colour = (name: string) =>
  getComputedStyle(document.documentElement).getPropertyValue(name).trim();

function columns(points: SeriesPoint[]): uPlot.AlignedData {
  return [
    points.map((point) => point[0]), points.map((point) => point[3]), points.map((point) => point[4]),
  ] as uPlot.AlignedData;
}

const REACH_PX = 60; // that the pointer may be away from what it is told about

/** The point at `index`, or the next one to either side at which something ended. */
function nearest(points: SeriesPoint[], index: number | null): SeriesPoint | undefined {
  if (index === null) return undefined;
  for (let away = 0; away < points.length; away++) {
    for (const at of [index + away, index - away]) {
      if (points[at] && points[at][3] !== null) return points[at];
    }
  }
  return undefined;
}

export default function Chart({ points, windowS }: { points: SeriesPoint[]; windowS: number }) {
  const { t, i18n } = useTranslation();
  const shown = useShownTheme();
  const place = useRef<HTMLDivElement>(null);
  const tip = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const current = useRef(points);
  current.current = points;

  useEffect(() => {
    const box = place.current;
    if (!box) return;
    const font = `12px ${getComputedStyle(document.body).fontFamily}`;
    const grid = { stroke: colour("--line"), width: 1 };
    const axis = { stroke: colour("--text-3"), grid, ticks: { ...grid, size: 4 }, font,
      labelFont: font, labelSize: 20, labelGap: 2 };
    const line = (label: string, stroke: string): uPlot.Series => ({
      label, stroke, width: 2, spanGaps: true,
      points: { show: true, size: 6, fill: colour("--surface"), stroke, width: 2 },
    });
    const hover = (chart: uPlot) => {
      const box = tip.current;
      const point = nearest(current.current, chart.cursor.idx ?? null);
      const away = point ? Math.abs(chart.valToPos(point[0], "x") - (chart.cursor.left ?? 0)) : 0;
      if (!box || !point || point[3] === null || away > REACH_PX) {
        if (box) box.hidden = true;
        return;
      }
      box.hidden = false;
      const cell = (name: string, value: string) => {
        const row = document.createElement("div");
        const bold = document.createElement("b");
        bold.textContent = value;
        row.append(name, bold);
        return row;
      };
      const head = document.createElement("b");
      head.textContent = dateTime(point[0] * 1000);
      box.replaceChildren(
        head,
        cell(t("chart.mean"), t("tile.seconds", { value: fixed(point[3], 2) })),
        cell(t("chart.p95"), t("tile.seconds", { value: fixed(point[4] ?? 0, 2) })),
        cell(t("chart.ended"), integer(point[1])),
        cell(t("chart.failed"), integer(point[1] - point[2])),
      );
      const left = chart.valToPos(point[0], "x") + chart.over.offsetLeft;
      const right = left + 190 > chart.width;
      box.style.left = right ? "" : `${left + 14}px`;
      box.style.right = right ? `${chart.width - left + 14}px` : "";
      box.style.top = "18px";
    };
    const chart = new uPlot({
      width: box.clientWidth, height: box.clientHeight,
      cursor: { points: { size: 9 }, drag: { x: false, y: false } },
      legend: { show: false },
      scales: {
        x: { time: true },
        y: { range: (_, __, max) => [0, Math.max(max || 0, 0.02) * 1.12] },
      },
      axes: [
        { ...axis, label: t("chart.x"), size: 34, labelSize: 18,
          values: (_, ticks) => ticks.map((tick) => windowS > 86400
            ? new Intl.DateTimeFormat(i18n.language, { month: "numeric", day: "numeric" })
                .format(tick * 1000)
            : clock(tick * 1000, false)) },
        { ...axis, label: t("chart.y"), size: 52 },
      ],
      series: [{}, line(t("chart.mean"), colour("--accent")),
        line(t("chart.p95"), colour("--warn-mark"))],
      hooks: { setCursor: [hover] },
    }, columns(current.current), box);
    plot.current = chart;
    const resize = new ResizeObserver(() => {
      if (box.clientWidth) chart.setSize({ width: box.clientWidth, height: box.clientHeight });
    });
    resize.observe(box);
    return () => {
      resize.disconnect();
      chart.destroy();
      plot.current = null;
    };
  }, [shown, i18n.language, windowS, t]);

  useEffect(() => {
    plot.current?.setData(columns(points));
  }, [points]);

  const seen = points.filter((point) => point[3] !== null);
  const last = seen.at(-1);
  const told = last
    ? t("chart.table", { count: seen.length, time: dateTime(last[0] * 1000),
        mean: fixed(last[3] ?? 0, 2) })
    : t("chart.empty");
  return (
    <div className="chart" role="img" aria-label={`${t("chart.title")}: ${told}`}>
      <div ref={place} style={{ height: "100%" }} />
      <div ref={tip} className="chart-tip" hidden />
    </div>
  );
}
