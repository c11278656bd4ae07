// SPDX-License-Identifier: Apache-2.0
// Shown when the server wants a key. The key goes into a session and is forgotten here.
import { type FormEvent, useState } from "react";
import { useTranslation } from "react-i18next";
import type { ApiError } from "../api";
import { errorText, Field } from "../components/basics";
import { signIn } from "../session";

export function Login({ onEntered }: { onEntered: () => void }) {
  const { t } = useTranslation();
  const [key, setKey] = useState("");
  const [wrong, setWrong] = useState("");
  const enter = async (event: FormEvent) => {
    event.preventDefault();
    try {
      await signIn(key.trim());
      onEntered();
    } catch (failure) {
      const error = failure as ApiError;
      setWrong(error.status === 401 ? t("login.refused") : errorText(error, t));
    }
  };
  return (
    <main className="login">
      <form className="card card-body stack" onSubmit={(event) => void enter(event)}>
        <div>
          <h1>{t("login.title")}</h1>
          <p className="muted">{t("login.text")}</p>
        </div>
        <Field label={t("login.key")} wrong={wrong}>
          {(ids) => <input {...ids} className="input mono" type="password" autoComplete="off" autoFocus
            value={key} onChange={(event) => setKey(event.target.value)} />}
        </Field>
        <button className="button primary" disabled={!key.trim()}>{t("login.enter")}</button>
      </form>
    </main>
  );
}
