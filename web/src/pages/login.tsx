// SPDX-License-Identifier: Apache-2.0
// Shown when the server wants to know who one is. A key goes into a session and is forgotten here;
// people with an account at an identity provider go there and come back with a session.
import { type FormEvent, useState } from "react";
import { useTranslation } from "react-i18next";
import type { ApiError } from "../api";
import { errorText, Field } from "../components/basics";
import { type People, signIn } from "../session";

export function Login({ onEntered, people }: { onEntered: () => void; people: People | null }) {
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
          <p className="muted">{t(people ? "login.people" : "login.text")}</p>
        </div>
        {people && <a className="button primary" href={people.url}>
          {t("login.with", { label: people.label })}
        </a>}
        <Field label={t("login.key")} wrong={wrong}>
          {(ids) => <input {...ids} className="input mono" type="password" autoComplete="off" autoFocus
            value={key} onChange={(event) => setKey(event.target.value)} />}
        </Field>
        <button className={people ? "button" : "button primary"} disabled={!key.trim()}>{t("login.enter")}</button>
      </form>
    </main>
  );
}
