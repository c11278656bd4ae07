// SPDX-License-Identifier: Apache-2.0
// A status as word, shape and colour: never by colour alone.
import { useTranslation } from "react-i18next";
import type { RunStatus, StepStatus } from "../api";
import { Icon } from "./icon";

export type Tone = "good" | "bad" | "warn" | "busy" | "idle";
const LOOK: Record<RunStatus | StepStatus, [Tone, string]> = {
  queued: ["idle", "clock"], pending: ["idle", "dot"], ready: ["idle", "clock"],
  running: ["busy", "spinner"], waiting: ["warn", "pause"], unknown: ["warn", "question"],
  succeeded: ["good", "check"], failed: ["bad", "cross"], cancelled: ["idle", "cross"],
  skipped: ["idle", "skip"], timed_out: ["bad", "clock"],
};

export function tone(status: string | undefined): Tone {
  return LOOK[status as RunStatus]?.[0] ?? "idle";
}
export const ended = (status: string) =>
  ["succeeded", "failed", "cancelled", "timed_out", "skipped"].includes(status);

export function Status({ status }: { status: string }) {
  const { t } = useTranslation();
  const [colour, icon] = LOOK[status as RunStatus] ?? (["idle", "dot"] as const);
  return (
    <span className={`status ${colour}`}>
      <Icon name={icon} size={13} spin={status === "running"} />
      {t(`status.${status}`)}
    </span>
  );
}
