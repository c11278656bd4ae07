// SPDX-License-Identifier: Apache-2.0
import { useTranslation } from "react-i18next";
import type { Page, Schema, Tool } from "../api";
import { Empty, ErrorNotice, Loading, PageHead } from "../components/basics";
import { typeOf } from "../components/schema_form";
import { useData } from "../hooks";

function Arguments({ schema }: { schema: Schema }) {
  const { t } = useTranslation();
  const entries = Object.entries(schema.properties ?? {});
  const required = new Set(schema.required ?? []);
  if (entries.length === 0) return <p className="muted">{t("tools.no_arguments")}</p>;
  return (
    <ul className="stack-small">
      {entries.map(([name, property]) => (
        <li key={name}>
          <code>{name}</code> <span className="muted">
            {property.enum ? property.enum.map((each) => JSON.stringify(each)).join(" | ")
              : typeOf(property)}
            {required.has(name) && ` · ${t("form.required")}`}
          </span>
          {property.description && <div className="muted">{property.description}</div>}
        </li>
      ))}
    </ul>
  );
}

export default function Tools() {
  const { t } = useTranslation();
  const list = useData<Page<Tool>>("/tools");
  return (
    <>
      <PageHead title={t("tools.title")} subtitle={t("tools.subtitle")} />
      {list.error && <ErrorNotice error={list.error} again={list.reload} />}
      {list.loading && <div className="card"><Loading /></div>}
      {list.data?.items.length === 0 && <div className="card">
        <Empty icon="tools" title={t("tools.empty")} />
      </div>}
      <div className="cards">
        {list.data?.items.map((tool) => (
          <section className="card card-body" key={`${tool.source}/${tool.function.name}`}>
            <div className="between">
              <h2 className="mono">{tool.function.name}</h2>
              <span className="tag">{tool.source === "built in" ? t("tools.built_in")
                : t("tools.of", { workflow: tool.source })}</span>
            </div>
            <p>{tool.source === "built in"
              ? t(`tool.${tool.function.name}`, tool.function.description)
              : tool.function.description}</p>
            <details className="fold">
              <summary>{t("tools.arguments")}</summary>
              <Arguments schema={tool.function.parameters} />
            </details>
          </section>
        ))}
      </div>
    </>
  );
}
