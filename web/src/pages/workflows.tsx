// SPDX-License-Identifier: Apache-2.0
import { useState } from "react";
import { useTranslation } from "react-i18next";
import type { Definition, Page } from "../api";
import { Empty, ErrorNotice, Loading, PageHead } from "../components/basics";
import { DraftDialog } from "../components/draft_dialog";
import { Icon } from "../components/icon";
import { RunDialog } from "../components/run_dialog";
import { useData } from "../hooks";
import { Link } from "../router";
import { useSession } from "../session";

export default function Workflows() {
  const { t } = useTranslation();
  const list = useData<Page<Definition>>("/definitions");
  const { may } = useSession();
  const [drafting, setDrafting] = useState(false);
  const [starting, setStarting] = useState<Definition | null>(null);
  return (
    <>
      <PageHead title={t("workflows.title")} subtitle={t("workflows.subtitle")}>
        {may("definitions:write") && (
          <Link className="button" to="/ui/workflows/new">{t("workflows.new")}</Link>
        )}
        {may("definitions:write") && may("models:use") && (
          <button className="button primary" onClick={() => setDrafting(true)}>
            <Icon name="spark" />{t("draft.title")}
          </button>
        )}
      </PageHead>
      {list.error && <ErrorNotice error={list.error} again={list.reload} />}
      {list.loading && <div className="card"><Loading /></div>}
      {list.data?.items.length === 0 && <div className="card">
        <Empty icon="workflows" title={t("workflows.empty")} hint={t("workflows.empty_hint")} />
      </div>}
      <div className="cards">
        {list.data?.items.map((each) => {
          const inputs = Object.keys(each.input?.properties ?? {});
          return (
            <section className="card card-body" key={each.id} aria-label={each.id}>
              <div>
                <h2><Link to={`/ui/workflows/${each.id}`}>{each.title || each.id}</Link></h2>
                <span className="mono muted">{each.id}</span>
              </div>
              <div className="row">
                {inputs.slice(0, 6).map((name) => <span key={name} className="tag mono">{name}</span>)}
                {inputs.length === 0 && <span className="muted">{t("workflows.no_input")}</span>}
              </div>
              <div className="row">
                {may("runs:execute") && (
                  <button className="button primary" onClick={() => setStarting(each)}>
                    {t("workflows.run")}<span className="sr"> {each.id}</span>
                  </button>
                )}
                <Link className="button" to={`/ui/workflows/${each.id}`}>
                  {t("workflows.edit")}<span className="sr"> {each.id}</span>
                </Link>
                <Link className="button plain" to={`/ui/runs?workflow=${each.id}`}>
                  {t("workflows.runs")}<span className="sr"> {each.id}</span>
                </Link>
              </div>
            </section>
          );
        })}
      </div>
      {drafting && <DraftDialog onClose={() => setDrafting(false)} />}
      {starting && <RunDialog definition={starting} onClose={() => setStarting(null)} />}
    </>
  );
}
