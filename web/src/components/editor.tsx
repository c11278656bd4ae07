// SPDX-License-Identifier: Apache-2.0
// The YAML editor. It lives in a shadow root: there CodeMirror uses constructed style sheets, which
// the content security policy allows, where in the page it would write <style> elements.
import { autocompletion, closeBrackets, type Completion, type CompletionContext, completionKeymap }
  from "@codemirror/autocomplete";
import { defaultKeymap, history, historyKeymap, indentWithTab } from "@codemirror/commands";
import { yaml } from "@codemirror/lang-yaml";
import { bracketMatching, HighlightStyle, indentUnit, syntaxHighlighting }
  from "@codemirror/language";
import { type Diagnostic, lintGutter, lintKeymap, setDiagnostics } from "@codemirror/lint";
import { Compartment, EditorState } from "@codemirror/state";
import { EditorView, drawSelection, highlightActiveLine, highlightActiveLineGutter, keymap,
  lineNumbers } from "@codemirror/view";
import { tags } from "@lezer/highlight";
import type { TFunction } from "i18next";
import { useEffect, useRef } from "react";
import { useTranslation } from "react-i18next";
import type { Problem } from "../api";
import { useShownTheme } from "../theme";
import { koreanError } from "../told";
import { words } from "./words";

const look = EditorView.theme({
  "&": { height: "100%", fontSize: "13px", color: "var(--text)", backgroundColor: "var(--surface)" },
  ".cm-scroller": { fontFamily: "var(--mono)", lineHeight: "1.6" },
  ".cm-content": { caretColor: "var(--text)" },
  ".cm-cursor": { borderLeftColor: "var(--text)" },
  "&.cm-focused": { outline: "none" },
  ".cm-gutters": { backgroundColor: "var(--surface)", color: "var(--text-3)", border: "none" },
  ".cm-activeLine, .cm-activeLineGutter": {
    backgroundColor: "color-mix(in srgb, var(--surface-2) 65%, transparent)",
  },
  "&.cm-focused > .cm-scroller > .cm-selectionLayer .cm-selectionBackground, .cm-selectionBackground": {
    backgroundColor: "color-mix(in srgb, var(--accent) 24%, transparent)",
  },
  ".cm-tooltip": { backgroundColor: "var(--surface)", border: "1px solid var(--line-strong)",
    borderRadius: "8px", color: "var(--text)", overflow: "hidden" },
  ".cm-tooltip-autocomplete ul li[aria-selected]": {
    backgroundColor: "var(--accent)", color: "var(--on-accent)" },
  ".cm-diagnostic": { fontFamily: "var(--font)", whiteSpace: "pre-wrap", maxWidth: "520px" },
});
const colours = HighlightStyle.define([
  { tag: [tags.propertyName, tags.definition(tags.propertyName)], color: "var(--busy)" },
  { tag: [tags.string, tags.attributeValue], color: "var(--good)" },
  { tag: [tags.number, tags.bool, tags.null, tags.keyword], color: "var(--think)" },
  { tag: tags.comment, color: "var(--text-3)", fontStyle: "italic" },
  { tag: [tags.punctuation, tags.separator], color: "var(--text-3)" },
]);

const options = (words: readonly string[], type: string, after = ""): Completion[] =>
  words.map((label) => ({ label, type, apply: label + after }));

/** What may stand here: keys of the document, of a step, of its parameters, or a step type. */
async function complete(context: CompletionContext) {
  const line = context.state.doc.lineAt(context.pos);
  const before = line.text.slice(0, context.pos - line.from);
  const type = /^\s*(?:- )?type:\s*(\w*)$/.exec(before);
  if (type) return { from: context.pos - (type[1] ?? "").length, options: options((await words()).types, "enum") };
  const key = /^(\s*)(- )?(\w*)$/.exec(before);
  if (!key || (!context.explicit && !key[3])) return null;
  const from = context.pos - (key[3] ?? "").length;
  const indent = (key[1] ?? "").length + (key[2] ? 2 : 0);
  if (indent === 0) return { from, options: options((await words()).keys, "property", ": ") };
  let of = "";
  for (let n = line.number - 1; n > 0; n--) {
    const text = context.state.doc.line(n).text;
    const inner = /^(\s*)(?:- )?parameters:\s*$/.exec(text);
    if (inner && (inner[1] ?? "").length < indent) of = "parameters";
    const typed = /^\s*(?:- )?type:\s*(\w+)/.exec(text);
    if (of === "parameters" && typed) {
      const names = (await words()).parameters[typed[1] as string] ?? [];
      return { from, options: options(names, "property", ": ") };
    }
    if (/^\s*- id:/.test(text)) break;
  }
  return { from, options: options((await words()).stepKeys, "property", ": ") };
}

const phrases = (t: TFunction) => ({
  "Diagnostics": t("workflow.problems"), "No diagnostics": t("editor.no_problems"),
  "close": t("common.close"), "Completions": t("editor.completions"),
});

export default function Editor({ value, problems, label, goTo, onChange }: {
  value: string; problems: { list: Problem[]; warnings: Problem[] } | null; label: string;
  goTo: { line: number } | null; onChange: (text: string) => void;
}) {
  const { t } = useTranslation();
  const host = useRef<HTMLDivElement>(null);
  const view = useRef<EditorView | null>(null);
  const told = useRef(onChange);
  const sent = useRef(new Set<string>()); // texts told since the page last had the newest
  told.current = onChange;
  const dark = useRef(new Compartment());
  const shown = useShownTheme();

  useEffect(() => {
    const element = host.current;
    if (!element) return;
    const root = element.shadowRoot ?? element.attachShadow({ mode: "open" });
    const place = document.createElement("div");
    place.style.height = "100%";
    root.replaceChildren(place);
    const editor = new EditorView({
      root,
      parent: place,
      state: EditorState.create({
        doc: value,
        extensions: [
          lineNumbers(), lintGutter(), history(), drawSelection(), highlightActiveLine(),
          highlightActiveLineGutter(), bracketMatching(), closeBrackets(), indentUnit.of("  "),
          yaml(), syntaxHighlighting(colours), look, autocompletion({ override: [complete] }),
          dark.current.of(EditorView.darkTheme.of(shown === "dark")),
          keymap.of([...completionKeymap, ...lintKeymap, ...historyKeymap, ...defaultKeymap,
            indentWithTab]),
          EditorState.phrases.of(phrases(t)),
          EditorView.contentAttributes.of({ "aria-label": label, tabindex: "0" }),
          EditorView.updateListener.of((update) => {
            if (!update.docChanged) return;
            const text = update.state.doc.toString();
            sent.current.add(text);
            told.current(text);
          }),
        ],
      }),
    });
    view.current = editor;
    return () => {
      editor.destroy();
      view.current = null;
    };
  }, [label]);

  useEffect(() => {
    const editor = view.current;
    if (!editor) return;
    const now = editor.state.doc.toString();
    // A text that the editor itself sent comes back late where somebody types fast: putting it in
    // would take away what was typed since.
    if (now !== value && sent.current.has(value)) return;
    if (now !== value) {
      editor.dispatch({ changes: { from: 0, to: editor.state.doc.length, insert: value } });
    }
    sent.current.clear();
  }, [value]);

  useEffect(() => {
    view.current?.dispatch({
      effects: dark.current.reconfigure(EditorView.darkTheme.of(shown === "dark")),
    });
  }, [shown]);

  useEffect(() => {
    const editor = view.current;
    if (!editor || !problems) return;
    const doc = editor.state.doc;
    const mark = (severity: "error" | "warning") => (problem: Problem): Diagnostic => {
      const line = doc.line(Math.min(Math.max(problem.line, 1), doc.lines));
      const from = Math.min(line.from + problem.column - 1, line.to);
      const word = /^[^\s:,\]}]+/.exec(line.text.slice(from - line.from))?.[0].length ?? 1;
      return { from, to: Math.min(from + word, line.to), severity, source: problem.code,
        message: [koreanError(problem)?.title, problem.message, problem.hint]
          .filter(Boolean).join("\n") };
    };
    editor.dispatch(setDiagnostics(editor.state,
      [...problems.list.map(mark("error")), ...problems.warnings.map(mark("warning"))]
        .sort((a, b) => a.from - b.from)));
  }, [problems]);

  useEffect(() => {
    const editor = view.current;
    if (!editor || !goTo) return;
    const line = editor.state.doc.line(Math.min(Math.max(goTo.line, 1), editor.state.doc.lines));
    editor.dispatch({ selection: { anchor: line.from },
      effects: EditorView.scrollIntoView(line.from, { y: "center" }) });
    editor.focus();
  }, [goTo]);

  return <div className="editor"><div ref={host} data-editor /></div>;
}
