// SPDX-License-Identifier: Apache-2.0
// Steps and what they wait for. Near, nodes are elements that the keyboard reaches, and only those
// in sight exist; far away (thousands of steps) the same places are painted on a canvas instead.
import {
  Background, type Edge, type Node, type NodeProps, Panel, Position, ReactFlow, ReactFlowProvider,
  useReactFlow, useStore, Handle,
} from "@xyflow/react";
import "@xyflow/react/dist/base.css";
import { memo, useEffect, useLayoutEffect, useMemo, useRef } from "react";
import { useTranslation } from "react-i18next";
import type { GraphNode } from "../api";
import { duration } from "../format";
import { layout, NODE, type Placed } from "../layout";
import { useShownTheme } from "../theme";
import { type Tone, tone } from "./status";

const FAR = 0.4;   // zoom below which a big graph is painted
const LINES = 0.1; // zoom from which on lines between spots can be told apart
const TONES: Tone[] = ["good", "bad", "warn", "busy", "idle"];
const BIG = 150;   // steps from which on only what is in sight exists

type StepData = { step: GraphNode; chosen: boolean; onChoose: (id: string) => void };
type StepNodeType = Node<StepData, "step">;

const StepNode = memo(({ data }: NodeProps<StepNodeType>) => {
  const { t } = useTranslation();
  const { step, chosen, onChoose } = data;
  const took = step.started_ms && step.finished_ms
    ? duration(step.finished_ms - step.started_ms) : "";
  const status = step.status ? t(`status.${step.status}`) : "";
  const faded = step.status === "skipped" || step.status === "cancelled" ? "faded" : "";
  return (
    <>
      <Handle type="target" position={Position.Left} isConnectable={false} />
      <button type="button" aria-pressed={chosen} onClick={() => onChoose(step.id)}
        className={`node nopan ${tone(step.status)} ${chosen ? "chosen" : ""} ${faded}`}>
        <span className="name">{step.id}</span>
        <span className="sub">
          <span>{step.type}{step.items ? ` · ${step.items.ended}/${step.items.total}` : ""}</span>
          <span>{step.status === "succeeded" && took ? took : status}</span>
        </span>
      </button>
      <Handle type="source" position={Position.Right} isConnectable={false} />
    </>
  );
});
const NODE_TYPES = { step: StepNode };
const HANDLES = [
  { type: "target" as const, position: Position.Left, x: 0, y: NODE.height / 2, width: 1, height: 1 },
  { type: "source" as const, position: Position.Right, x: NODE.width - 1, y: NODE.height / 2,
    width: 1, height: 1 },
];

type Colours = Record<Tone | "line", string>;
type View = { zoom: number; x: number; y: number; width: number; height: number };

/** Every step as a spot of its colour, every edge as a line; only what is in `view`. */
function paint(context: CanvasRenderingContext2D, scale: number, view: View, steps: GraphNode[],
  placed: Placed, colours: Colours) {
  const { zoom, x, y, width, height } = view;
  context.setTransform(scale * zoom, 0, 0, scale * zoom, x * scale, y * scale);
  const [left, top] = [-x / zoom, -y / zoom];
  const [right, bottom] = [left + width / zoom, top + height / zoom];
  context.strokeStyle = colours.line;
  context.lineWidth = Math.max(0.5 / zoom, 1);
  context.globalAlpha = 0.55;
  context.beginPath();
  if (zoom >= LINES) steps.forEach((step, to) => {
    const tx = placed.x[to] as number;
    const ty = (placed.y[to] as number) + NODE.height / 2;
    for (const from of step.after) {
      const fx = (placed.x[from] as number) + NODE.width;
      const fy = (placed.y[from] as number) + NODE.height / 2;
      if (tx < left || fx > right || Math.max(fy, ty) < top || Math.min(fy, ty) > bottom) continue;
      context.moveTo(fx, fy);
      context.lineTo(tx, ty);
    }
  });
  context.stroke();
  context.globalAlpha = 1;
  for (const colour of TONES) { // a path a colour: thousands of fills take longer than one
    context.beginPath();
    steps.forEach((step, index) => {
      if (tone(step.status) !== colour) return;
      const nx = placed.x[index] as number;
      const ny = placed.y[index] as number;
      if (nx > right || ny > bottom || nx + NODE.width < left || ny + NODE.height < top) return;
      context.rect(nx, ny, NODE.width, NODE.height);
    });
    context.fillStyle = colours[colour];
    context.fill();
  }
}

/** The whole graph at one zoom, painted once and moved while somebody pans. */
type Whole = { of: unknown[]; canvas: HTMLCanvasElement };
const WHOLE_MAX = 8_000_000; // pixels

/** What is left of a graph from afar. */
function FarView({ steps, placed }: { steps: GraphNode[]; placed: Placed }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const kept = useRef<Whole | null>(null);
  const [x, y, zoom] = useStore((state) => state.transform);
  const width = useStore((state) => state.width);
  const height = useStore((state) => state.height);
  const theme = useShownTheme();
  const colours = useMemo<Colours>(() => {
    const style = getComputedStyle(document.documentElement);
    const of = (name: string) => style.getPropertyValue(name).trim();
    return { good: of("--good-mark"), bad: of("--bad-mark"), warn: of("--warn-mark"),
      busy: of("--busy-mark"), idle: of("--idle-mark"), line: of("--line-strong") };
  }, [theme]);
  useLayoutEffect(() => { // with the viewport's own move, not a frame later
    const element = canvas.current;
    const context = element?.getContext("2d");
    if (!element || !context) return;
    const scale = window.devicePixelRatio || 1;
    if (element.width !== width * scale) element.width = width * scale;
    if (element.height !== height * scale) element.height = height * scale;
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.clearRect(0, 0, element.width, element.height);
    const wide = Math.ceil(placed.width * zoom * scale) + 2;
    const high = Math.ceil(placed.height * zoom * scale) + 2;
    if (wide * high > WHOLE_MAX) {
      return paint(context, scale, { zoom, x, y, width, height }, steps, placed, colours);
    }
    const of = [zoom, scale, steps, placed, colours];
    if (!kept.current || kept.current.of.some((each, index) => each !== of[index])) {
      const whole = document.createElement("canvas");
      [whole.width, whole.height] = [wide, high];
      const on = whole.getContext("2d");
      if (!on) return;
      paint(on, scale, { zoom, x: 1, y: 1, width: wide, height: high }, steps, placed, colours);
      kept.current = { of, canvas: whole };
    }
    context.drawImage(kept.current.canvas, Math.round(x * scale) - 1, Math.round(y * scale) - 1);
  }, [x, y, zoom, width, height, steps, placed, colours]);
  return <canvas ref={canvas} className="graph-far" style={{ width, height }} aria-hidden="true" />;
}

/** Where to begin: the whole graph if it can be read that way, else what is happening in it. */
function firstView(steps: GraphNode[], placed: Placed, width: number, height: number) {
  const whole = Math.min(width / (placed.width + 60), height / (placed.height + 60), 1.1);
  if (whole >= 0.55) {
    return { zoom: whole, x: (width - placed.width * whole) / 2,
      y: (height - placed.height * whole) / 2 };
  }
  const zoom = 0.8;
  const seen = steps.findIndex((step) => step.status === "running");
  const failed = steps.findIndex((step) => step.status === "failed");
  const at = seen >= 0 ? seen : failed >= 0 ? failed
    : placed.x.indexOf(Math.min(...placed.x.slice(0, 10_000)));
  return { zoom, x: 60 - Math.max(0, (placed.x[at] ?? 0) - 260) * zoom,
    y: height / 2 - ((placed.y[at] ?? 0) + NODE.height / 2) * zoom };
}

type Props = {
  steps: GraphNode[]; chosen: string; onChoose: (id: string) => void; label?: string;
};

function Inner({ steps, chosen, onChoose, label }: Props) {
  const { t } = useTranslation();
  const flow = useReactFlow();
  // states change often, the shape hardly ever
  const shape = steps.map((step) => step.after.join(" ")).join(",");
  const placed = useMemo(() => layout(steps.map((step) => step.after)), [shape]);
  const far = useStore((state) => state.transform[2] < FAR) && steps.length > BIG;
  const width = useStore((state) => state.width);
  const height = useStore((state) => state.height);
  const shown = useRef({ shape: "", place: "" });
  const touched = useRef(false); // by a person: then it stays as they have it
  const ready = flow.viewportInitialized;
  useEffect(() => {
    if (!ready || !width || !height || steps.length === 0) return;
    if (shown.current.shape !== shape) touched.current = false;
    const place = `${width} ${height}`;
    const known = shown.current.shape === shape && (touched.current || shown.current.place === place);
    shown.current = { shape, place };
    if (!known) void flow.setViewport(firstView(steps, placed, width, height));
  }, [ready, width, height, shape, placed, steps, flow]);
  const nodes = useMemo<StepNodeType[]>(() => far ? [] : steps.map((step, index) => ({
    id: String(index), type: "step", width: NODE.width, height: NODE.height, handles: HANDLES,
    position: { x: placed.x[index] as number, y: placed.y[index] as number },
    data: { step, chosen: step.id === chosen, onChoose },
  })), [steps, placed, chosen, onChoose, far]);
  const edges = useMemo<Edge[]>(() => far ? [] : steps.flatMap((step, to) =>
    step.after.map((from) => ({
      id: `${from}-${to}`, source: String(from), target: String(to),
      className: step.status === "running" ? "active"
        : steps[from]?.status === "succeeded" && step.status === "succeeded" ? "done" : "",
    }))), [steps, far]);
  const byHand = (act: () => unknown) => () => {
    touched.current = true;
    act();
  };
  const all = byHand(() => flow.fitBounds(
    { x: 0, y: 0, width: placed.width, height: placed.height }, { padding: 0.06, duration: 250 }));
  return (
    <ReactFlow nodes={nodes} edges={edges} nodeTypes={NODE_TYPES} minZoom={0.01} maxZoom={2}
      nodesDraggable={false} nodesConnectable={false} nodesFocusable={false} edgesFocusable={false}
      onMoveStart={(event) => {
        if (event) touched.current = true;
      }}
      elementsSelectable={false} onlyRenderVisibleElements={steps.length > BIG}
      disableKeyboardA11y aria-label={label ?? t("run.graph_label", { count: steps.length })}>
      <Background gap={22} size={1} color="var(--line)" />
      {far && <FarView steps={steps} placed={placed} />}
      <Panel position="bottom-left" className="row">
        <button type="button" className="button small" onClick={byHand(() => flow.zoomIn())}
          aria-label={t("run.zoom_in")}>+</button>
        <button type="button" className="button small" onClick={byHand(() => flow.zoomOut())}
          aria-label={t("run.zoom_out")}>−</button>
        <button type="button" className="button small" onClick={all}>{t("run.fit")}</button>
      </Panel>
    </ReactFlow>
  );
}

export default function Graph(props: Props) {
  return (
    <div className="graph" data-steps={props.steps.length}>
      <ReactFlowProvider><Inner {...props} /></ReactFlowProvider>
    </div>
  );
}
