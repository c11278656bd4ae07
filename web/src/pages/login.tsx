// SPDX-License-Identifier: Apache-2.0
// Shown when the server wants to know who one is. A key or a password goes into a session and is
// forgotten here; people with an account at an identity provider go there and come back with one.
import { type FormEvent, type ReactNode, useState } from "react";
import { useTranslation } from "react-i18next";
import type { ApiError } from "../api";
import { errorText, Field } from "../components/basics";
import { type Session, signIn } from "../session";

/** A form that signs in with what its fields hold. */
function SignIn({ shown, refused, onEntered, children }: {
  shown: Parameters<typeof signIn>[0]; refused: string; onEntered: () => void;
  children: (wrong: string) => ReactNode;
}) {
  const { t } = useTranslation();
  const [wrong, setWrong] = useState("");
  const enter = async (event: FormEvent) => {
    event.preventDefault();
    try {
      await signIn(shown);
      onEntered();
    } catch (failure) {
      const error = failure as ApiError;
      if (error.status === 401) return setWrong(refused);
      setWrong(error.status === 429 ? t("login.wait") : errorText(error, t));
    }
  };
  return <form className="stack" onSubmit={(event) => void enter(event)}>{children(wrong)}</form>;
}

function Password({ onEntered }: { onEntered: () => void }) {
  const { t } = useTranslation();
  const [user, setUser] = useState("");
  const [password, setPassword] = useState("");
  return (
    <SignIn shown={{ user: user.trim(), password }} refused={t("login.wrong")} onEntered={onEntered}>
      {(wrong) => <>
        <Field label={t("login.user")}>
          {(ids) => <input {...ids} className="input" autoComplete="username" autoFocus
            value={user} onChange={(event) => setUser(event.target.value)} />}
        </Field>
        <Field label={t("login.password")} wrong={wrong}>
          {(ids) => <input {...ids} className="input" type="password" autoComplete="current-password"
            value={password} onChange={(event) => setPassword(event.target.value)} />}
        </Field>
        <button className="button primary" disabled={!user.trim() || !password}>{t("login.enter")}</button>
      </>}
    </SignIn>
  );
}

export function Login({ onEntered, asked }: { onEntered: () => void; asked: Session }) {
  const { t } = useTranslation();
  const [key, setKey] = useState("");
  const people = asked.people ?? null;
  const other = people !== null || asked.passwords === true;
  return (
    <main className="login">
      <div className="card card-body stack">
        <div>
          <h1>{t("login.title")}</h1>
          <p className="muted">{t(other ? "login.people" : "login.text")}</p>
        </div>
        {people && <a className="button primary" href={people.url}>
          {t("login.with", { label: people.label })}
        </a>}
        {asked.passwords && <Password onEntered={onEntered} />}
        <SignIn shown={{ key: key.trim() }} refused={t("login.refused")} onEntered={onEntered}>
          {(wrong) => <>
            <Field label={t("login.key")} wrong={wrong}>
              {(ids) => <input {...ids} className="input mono" type="password" autoComplete="off"
                autoFocus={!asked.passwords} value={key} onChange={(event) => setKey(event.target.value)} />}
            </Field>
            <button className={other ? "button" : "button primary"} disabled={!key.trim()}>
              {t(asked.passwords ? "login.enter_key" : "login.enter")}
            </button>
          </>}
        </SignIn>
      </div>
    </main>
  );
}
