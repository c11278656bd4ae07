// SPDX-License-Identifier: Apache-2.0
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { Facts, Field, PageHead, Segmented } from "../components/basics";
import { type Language, setLanguage } from "../i18n";
import { myName, setMyName } from "../person";
import { useSession } from "../session";
import { setTheme, theme, type Theme, useShownTheme } from "../theme";

export default function Settings() {
  const { t, i18n } = useTranslation();
  useShownTheme();
  const [name, setName] = useState(myName());
  const { session } = useSession();
  const [wanted, setWanted] = useState<Theme>(theme());
  return (
    <>
      <PageHead title={t("settings.title")} subtitle={t("settings.subtitle")} />
      <div className="cards wide-cards">
        <section className="card card-body stack">
          <div className="field">
            <span className="label">{t("settings.language")}</span>
            <div><Segmented<Language> label={t("settings.language")} value={i18n.language as Language}
              options={[["ko", "한국어"], ["en", "English"]]} onChange={(language) => void setLanguage(language)} /></div>
          </div>
          <div className="field">
            <span className="label">{t("settings.theme")}</span>
            <div><Segmented<Theme> label={t("settings.theme")} value={wanted}
              options={(["system", "light", "dark"] as const)
                .map((each) => [each, t(`settings.theme.${each}`)])}
              onChange={(each) => {
                setTheme(each);
                setWanted(each);
              }} /></div>
          </div>
        </section>
        <section className="card card-body stack">
          <Field label={t("settings.name")} hint={t("settings.name_hint")}>
            {(ids) => <input {...ids} className="input" maxLength={100} value={name}
              onChange={(event) => {
                setName(event.target.value);
                setMyName(event.target.value);
              }} />}
          </Field>
          <Facts items={[
            [t("settings.session"), session.name],
            [t("field.roles"), session.roles.map((role) => t(`keys.role.${role}`, role)).join(", ") || t("settings.everything")],
            [t("settings.tenant"), session.tenant || t("common.none")],
          ]} />
          <details className="fold">
            <summary>{t("settings.permissions")} ({session.permissions.length})</summary>
            <div className="row">
              {session.permissions.map((each) => <code key={each} className="tag">{each}</code>)}
            </div>
          </details>
        </section>
      </div>
    </>
  );
}
