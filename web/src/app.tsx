// SPDX-License-Identifier: Apache-2.0
// The frame around every page, and which page an address means. What is big comes when it is needed.
import { lazy, Suspense, useEffect, useState } from "react";
import { useTranslation } from "react-i18next";
import { Empty, ErrorNotice, Loading, PageHead } from "./components/basics";
import { Icon } from "./components/icon";
import { Toasts } from "./components/toasts";
import { useData } from "./hooks";
import Overview from "./pages/overview";
import { Login } from "./pages/login";
import { Link, useLocation } from "./router";
import { SessionGate, useSession } from "./session";

const Runs = lazy(() => import("./pages/runs"));
const Run = lazy(() => import("./pages/run"));
const Actions = lazy(() => import("./pages/actions"));
const Workflows = lazy(() => import("./pages/workflows"));
const Workflow = lazy(() => import("./pages/workflow"));
const Models = lazy(() => import("./pages/models"));
const Tools = lazy(() => import("./pages/tools"));
const Audit = lazy(() => import("./pages/audit"));
const Keys = lazy(() => import("./pages/keys"));
const Settings = lazy(() => import("./pages/settings"));

// name, address, the permission that its page is about
const NAV = [
  ["overview", "/", "overview:read"], ["runs", "/ui/runs", "runs:read"],
  ["actions", "/ui/actions", "approvals:read"],
  ["workflows", "/ui/workflows", "definitions:read"], ["models", "/ui/models", "models:read"],
  ["tools", "/ui/tools", "tools:read"], ["audit", "/ui/audit", "audit:read"],
  ["keys", "/ui/keys", "keys:manage"], ["settings", "/ui/settings", ""],
] as const;

function Page({ path }: { path: string }) {
  const { t } = useTranslation();
  const [, area, page, id] = path.split("/");
  if (!area || (area === "ui" && !page)) return <Overview />;
  const name = decodeURIComponent(id ?? "");
  switch (page) {
    case "runs": return id ? <Run key={name} id={name} /> : <Runs />;
    case "actions": return <Actions />;
    case "workflows": return id ? <Workflow key={name} id={name} /> : <Workflows />;
    case "models": return <Models />;
    case "tools": return <Tools />;
    case "audit": return <Audit />;
    case "keys": return <Keys />;
    case "settings": return <Settings />;
    default: return <>
      <PageHead title={t("error.page")} />
      <div className="card"><Empty icon="question" title={path} /></div>
    </>;
  }
}

function Side({ path }: { path: string }) {
  const { t } = useTranslation();
  const { session, may, signOut } = useSession();
  const [open, setOpen] = useState(false);
  const actions = useData<{ items: unknown[] }>(may("approvals:read") ? "/approvals?limit=100" : null, 5000);
  useEffect(() => setOpen(false), [path]);
  const count = actions.data?.items.length ?? 0;
  return (
    <header className={`side ${open ? "open" : ""}`}>
      <div className="side-top">
        <Link to="/" className="brand"><img src="/favicon.svg" alt="" />weft</Link>
        <button className="button plain icon menu-button" aria-expanded={open}
          aria-label={t("app.menu")} onClick={() => setOpen(!open)}>
          <Icon name="menu" size={20} />
        </button>
      </div>
      <nav className="nav" aria-label={t("app.navigation")}>
        {NAV.filter(([, , action]) => !action || may(action)).map(([name, to]) => {
          const here = to === "/" ? path === "/" || path === "/ui" : path.startsWith(to);
          return (
            <Link key={name} to={to} aria-current={here ? "page" : undefined}>
              <Icon name={name} />{t(`nav.${name}`)}
              {name === "actions" && count > 0 && <span className="count num">{count}</span>}
            </Link>
          );
        })}
      </nav>
      {session.keys_needed && <div className="side-foot">
        <span>{session.name}</span>
        <span>{session.roles.map((role) => t(`keys.role.${role}`, role)).join(", ")}</span>
        <div><button className="button small" onClick={() => void signOut()}>
          {t("login.leave")}</button></div>
      </div>}
    </header>
  );
}

export function App() {
  const { t } = useTranslation();
  const { path } = useLocation();
  return (
    <SessionGate login={(entered, asked) => <Login onEntered={entered} asked={asked} />}
      waiting={(error) => <main className="login"><div className="card">
        {error ? <div className="card-body"><ErrorNotice error={error} /></div>
          : <Loading lines={3} />}
      </div></main>}>
      <div className="shell">
        <a className="button skip" href="#main">{t("app.skip")}</a>
        <Side path={path} />
        <main className="main" id="main" tabIndex={-1}>
          <Suspense fallback={<div className="card"><Loading lines={6} /></div>}>
            <Page path={path} />
          </Suspense>
        </main>
        <Toasts />
      </div>
    </SessionGate>
  );
}
