// SPDX-License-Identifier: Apache-2.0
// What every page is made of: its head, states without data, errors, facts, dialogs, JSON.
import { type ReactNode, useEffect, useId, useRef, useState } from "react";
import { useTranslation } from "react-i18next";
import { ApiError, type Failure, toldHere } from "../api";
import type { StreamState } from "../events";
import { koreanError } from "../told";
import { Icon } from "./icon";
import { notify } from "./toasts";

/** The page's title, focused when it is opened, so that a screen reader says where we are. */
export function PageHead({ title, subtitle, children }: {
  title: ReactNode; subtitle?: ReactNode; children?: ReactNode;
}) {
  const head = useRef<HTMLHeadingElement>(null);
  useEffect(() => {
    head.current?.focus({ preventScroll: true });
  }, []);
  useEffect(() => {
    document.title = `${head.current?.textContent ?? ""} · weft`;
  });
  return (
    <header className="page-head">
      <div className="grow">
        <h1 ref={head} tabIndex={-1}>{title}</h1>
        {subtitle && <p>{subtitle}</p>}
      </div>
      {children && <div className="row">{children}</div>}
    </header>
  );
}

export function Live({ state }: { state: StreamState }) {
  const { t } = useTranslation();
  return (
    <span className={`live live-${state}`} role="status"><i />{t(`live.${state}`)}</span>
  );
}

export function Empty({ icon = "dot", title, hint, children }: {
  icon?: string; title: string; hint?: string; children?: ReactNode;
}) {
  return (
    <div className="empty">
      <Icon name={icon} size={30} />
      <strong>{title}</strong>
      {hint && <span>{hint}</span>}
      {children}
    </div>
  );
}

export function Loading({ lines = 4 }: { lines?: number }) {
  const { t } = useTranslation();
  return (
    <div className="card-body stack-small" role="status">
      <span className="sr">{t("common.loading")}</span>
      {Array.from({ length: lines }, (_, i) => (
        <div key={i} className="skeleton line" style={{ width: `${92 - ((i * 17) % 40)}%` }} />
      ))}
    </div>
  );
}

type AnyError = Failure & { status?: number; local?: boolean };

/** An error as one line; in Korean its title. */
export function errorText(error: AnyError, t: (key: string) => string): string {
  if (error.status === 0) return t("error.offline");
  const korean = koreanError(error);
  if (korean) return korean.title;
  return error.status === 403 && !error.local ? `${t("error.refused")} ${error.message}`
    : error.message ?? "";
}

/** What went wrong and what helps; where that is said in Korean, the server's words below it. */
export function ErrorWords({ error }: { error: AnyError }) {
  const { t } = useTranslation();
  const korean = error.status === 0 ? null : koreanError(error);
  const hint = korean ? korean.hint : error.hint;
  return <>
    <div>
      {korean ? <strong>{korean.title}</strong> : errorText(error, t)}
      {error.code && <> <span className="mono">{error.code}</span></>}
    </div>
    {hint && <div className="hint">{hint}</div>}
    {korean && error.message && <div className="said" lang="en">
      {error.message}{error.hint && <> <span className="hint">{error.hint}</span></>}
    </div>}
  </>;
}

export function ErrorNotice({ error, again }: { error: ApiError; again?: () => void }) {
  const { t } = useTranslation();
  if (error.absent) {
    return <Empty icon="tools" title={t("error.absent")} hint={t("error.absent_text")} />;
  }
  return (
    <div className="notice bad" role="alert">
      <Icon name="warning" />
      <div className="grow"><ErrorWords error={error} /></div>
      {again && <button className="button small" onClick={again}>{t("error.again")}</button>}
    </div>
  );
}

export function Facts({ items }: { items: [string, ReactNode][] }) {
  return (
    <dl className="facts">
      {items.map(([name, value]) => <div key={name}><dt>{name}</dt><dd>{value}</dd></div>)}
    </dl>
  );
}

export function Segmented<T extends string>({ label, value, options, onChange }: {
  label: string; value: T; options: [T, string][]; onChange: (value: T) => void;
}) {
  return (
    <div className="segmented" role="group" aria-label={label}>
      {options.map(([option, name]) => (
        <button key={option} type="button" aria-pressed={option === value}
          onClick={() => onChange(option)}>{name}</button>
      ))}
    </div>
  );
}

/** Text of a JSON value with keys, texts and numbers told apart; texts alone as they are. */
export function Json({ value, label }: { value: unknown; label: string }) {
  if (typeof value === "string") {
    return <div className="json" tabIndex={0} role="group" aria-label={label}>{value}</div>;
  }
  const text = JSON.stringify(value, null, 2) ?? "null";
  const parts: ReactNode[] = [];
  if (text.length > 60_000) {
    parts.push(text.slice(0, 200_000));
  } else {
    const pattern = /("(?:[^"\\]|\\.)*")(\s*:)?|(-?\d[\d.eE+-]*)|(true|false|null)/g;
    let from = 0;
    for (const found of text.matchAll(pattern)) {
      parts.push(text.slice(from, found.index));
      const kind = found[2] ? "k" : found[1] ? "s" : "n";
      const shown = found[1] ?? found[0];
      parts.push(<span key={found.index} className={kind}>{shown}</span>);
      if (found[2]) parts.push(found[2]);
      from = found.index + found[0].length;
    }
    parts.push(text.slice(from));
  }
  return <pre className="json" tabIndex={0} role="group" aria-label={label}>{parts}</pre>;
}

export function Field({ label, hint, wrong, required, children }: {
  label: string; hint?: string; wrong?: string; required?: boolean;
  children: (ids: { id: string; "aria-describedby"?: string; "aria-invalid"?: boolean }) => ReactNode;
}) {
  const id = useId();
  const { t } = useTranslation();
  const about = hint || wrong ? `${id}-about` : undefined;
  return (
    <div className="field">
      <label htmlFor={id}>
        {label}{required && <span className="muted"> ({t("form.required")})</span>}
      </label>
      {children({ id, "aria-describedby": about, "aria-invalid": wrong ? true : undefined })}
      {about && <div id={about}>
        {wrong && <div className="wrong" role="alert">{wrong}</div>}
        {hint && <div className="hint">{hint}</div>}
      </div>}
    </div>
  );
}

/** A question before something is done. `onConfirm` may take its time; an error stays in sight. */
export function Dialog({ title, confirm, danger, onClose, onConfirm, children, disabled, wide }: {
  title: string; confirm: string; danger?: boolean; disabled?: boolean; wide?: boolean;
  onClose: () => void; onConfirm: () => Promise<void>; children: ReactNode;
}) {
  const { t } = useTranslation();
  const dialog = useRef<HTMLDialogElement>(null);
  const id = useId();
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<ApiError | null>(null);
  useEffect(() => {
    const element = dialog.current;
    const before = document.activeElement as HTMLElement | null;
    element?.showModal();
    return () => before?.focus();
  }, []);
  const submit = async () => {
    setBusy(true);
    setError(null);
    try {
      await onConfirm();
    } catch (failure) {
      setError(failure instanceof ApiError ? failure : toldHere(String(failure)));
    } finally {
      setBusy(false);
    }
  };
  return (
    <dialog ref={dialog} className={`dialog ${wide ? "wide" : ""}`} aria-labelledby={id} onCancel={onClose}
      onClose={onClose}>
      <form onSubmit={(event) => {
        event.preventDefault();
        void submit();
      }}>
        <h2 id={id}>{title}</h2>
        {children}
        {error && <ErrorNotice error={error} />}
        <div className="buttons">
          <button type="button" className="button" onClick={onClose}>{t("common.cancel")}</button>
          <button type="submit" disabled={busy || disabled}
            className={`button ${danger ? "danger" : "primary"}`}>
            {busy && <Icon name="spinner" spin />}{confirm}
          </button>
        </div>
      </form>
    </dialog>
  );
}

export function CopyButton({ text }: { text: string }) {
  const { t } = useTranslation();
  const copy = async () => {
    await navigator.clipboard.writeText(text);
    notify(t("common.copied"));
  };
  return <button type="button" className="button small" onClick={() => void copy()}>
    {t("common.copy")}
  </button>;
}
