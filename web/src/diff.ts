// SPDX-License-Identifier: Apache-2.0
// Lines that differ between two texts: the longest common subsequence, after what both begin and
// end with is set aside. Texts of workflows are some hundred lines; beyond LIMIT all counts as new.
export type DiffLine = { kind: "same" | "add" | "cut"; text: string };
const LIMIT = 3000;

export function diffLines(before: string, after: string): DiffLine[] {
  const a = before.split("\n");
  const b = after.split("\n");
  let head = 0;
  while (head < a.length && head < b.length && a[head] === b[head]) head++;
  let tail = 0;
  while (tail < a.length - head && tail < b.length - head &&
    a[a.length - 1 - tail] === b[b.length - 1 - tail]) tail++;
  const left = a.slice(head, a.length - tail);
  const right = b.slice(head, b.length - tail);
  const same = (text: string): DiffLine => ({ kind: "same", text });
  const out = a.slice(0, head).map(same);
  if (left.length > LIMIT || right.length > LIMIT) {
    out.push(...left.map((text): DiffLine => ({ kind: "cut", text })),
      ...right.map((text): DiffLine => ({ kind: "add", text })));
  } else {
    const width = right.length + 1;
    const longest = new Uint32Array((left.length + 1) * width);
    for (let i = left.length - 1; i >= 0; i--) {
      for (let j = right.length - 1; j >= 0; j--) {
        longest[i * width + j] = left[i] === right[j]
          ? (longest[(i + 1) * width + j + 1] as number) + 1
          : Math.max(longest[(i + 1) * width + j] as number, longest[i * width + j + 1] as number);
      }
    }
    let i = 0;
    let j = 0;
    while (i < left.length || j < right.length) {
      if (i < left.length && j < right.length && left[i] === right[j]) {
        out.push(same(left[i++] as string));
        j++;
      } else if (j >= right.length || (i < left.length &&
        (longest[(i + 1) * width + j] as number) >= (longest[i * width + j + 1] as number))) {
        out.push({ kind: "cut", text: left[i++] as string });
      } else {
        out.push({ kind: "add", text: right[j++] as string });
      }
    }
  }
  return [...out, ...a.slice(a.length - tail).map(same)];
}
