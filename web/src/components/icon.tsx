// SPDX-License-Identifier: Apache-2.0
// Drawn here, 16 by 16, in the colour of the text around them; they say nothing to screen readers.
const PATHS: Record<string, string> = {
  overview: "M2 9.5h3l2-6 3 9 2-5h2",
  runs: "M3 3.5h10M3 8h10M3 12.5h6",
  actions: "M8 2.2a3.8 3.8 0 0 1 3.8 3.8c0 3.4 1.4 4.4 1.4 4.4H2.8s1.4-1 1.4-4.4A3.8 3.8 0 0 1 8 2.2zM6.6 13a1.5 1.5 0 0 0 2.8 0",
  workflows: "M2.5 3h4v3.5h-4zM9.5 9.5h4V13h-4zM4.5 6.5v4.8h5M6.5 4.8h5v4.7",
  models: "M8 2l5.2 3v6L8 14l-5.2-3V5zM8 8v6M8 8l5.2-3M8 8L2.8 5",
  tools: "M9.6 3.2a3.2 3.2 0 0 0 3.9 4.2L7.3 13.6a1.6 1.6 0 0 1-2.4-2.4l6.2-6.2M9.6 3.2l1.5 1.8",
  audit: "M8 2l5 1.8v4c0 3.2-2.2 5.2-5 6.2-2.8-1-5-3-5-6.2v-4zM5.8 8l1.6 1.6 2.9-3.1",
  keys: "M10.5 9.2a3.4 3.4 0 1 0-3.2-2.3L2.5 11.7v1.8h2.3v-1.5h1.5v-1.5l1.2-1.2M11.2 5.2h.01",
  settings: "M2.5 4.5h6M11.5 4.5h2M2.5 11.5h2M7.5 11.5h6M10 3v3M6 10v3",
  menu: "M2.5 4.5h11M2.5 8h11M2.5 11.5h11",
  search: "M7 12A5 5 0 1 0 7 2a5 5 0 0 0 0 10zM10.6 10.6L14 14",
  check: "M3.5 8.5l3 3 6-7",
  cross: "M4.5 4.5l7 7M11.5 4.5l-7 7",
  clock: "M8 14A6 6 0 1 0 8 2a6 6 0 0 0 0 12zM8 5v3.2l2 1.3",
  pause: "M6 4.5v7M10 4.5v7",
  dot: "M8 9.5a1.5 1.5 0 1 0 0-3 1.5 1.5 0 0 0 0 3z",
  spinner: "M8 2.5a5.5 5.5 0 1 1-5.5 5.5",
  skip: "M4 4.5l4 3.5-4 3.5zM11.5 4.5v7",
  question: "M6 6.2a2 2 0 1 1 2.8 1.8c-.5.3-.8.7-.8 1.5M8 12h.01",
  warning: "M8 2.5l6 11H2zM8 6.5v3M8 11.5h.01",
  up: "M8 12.5v-9M4.5 7L8 3.5 11.5 7",
  down: "M8 3.5v9M4.5 9L8 12.5 11.5 9",
  play: "M5 3.5l7 4.5-7 4.5z",
  spark: "M8 2l1.5 4.5L14 8l-4.5 1.5L8 14l-1.5-4.5L2 8l4.5-1.5z",
  download: "M8 2.5v7.5M4.8 7L8 10.2 11.2 7M3 13.3h10",
  more: "M3.5 8h.01M8 8h.01M12.5 8h.01",
  back: "M9.5 3.5L5 8l4.5 4.5",
};

export function Icon({ name, size = 16, spin = false }: {
  name: string; size?: number; spin?: boolean;
}) {
  return (
    <svg width={size} height={size} viewBox="0 0 16 16" fill="none" stroke="currentColor"
      strokeWidth={1.6} strokeLinecap="round" strokeLinejoin="round" aria-hidden="true"
      className={spin ? "spin" : undefined}>
      <path d={PATHS[name] ?? PATHS.dot} />
    </svg>
  );
}
