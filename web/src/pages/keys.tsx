// SPDX-License-Identifier: Apache-2.0
// Who may ask, and for what. A new key is shown once, here, and nowhere again.
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { type Page, post, request, UNAUTHORIZED } from "../api";
import { CopyButton, Dialog, Empty, ErrorNotice, Field, Loading, PageHead } from "../components/basics";
import { dateTime } from "../format";
import { useData } from "../hooks";
import { signIn, useSession } from "../session";

type Key = {
  id: string; name: string; roles: string[]; created_at: string;
  created_by?: string; tenant?: string; scopes?: string[]; expires_at?: string;
  revoked_at?: string; key?: string;
};
const ROLES = ["viewer", "operator", "author", "approver", "admin"];

function Create({ first, onClose, onMade }: {
  first: boolean; onClose: () => void; onMade: (key: string) => void;
}) {
  const { t } = useTranslation();
  const [name, setName] = useState("");
  const [days, setDays] = useState("");
  const [roles, setRoles] = useState<string[]>(first ? ["admin"] : ["viewer"]);
  const make = async () => {
    const made = await post<Key>("/keys", {
      name, roles, ...(Number(days) > 0 ? { expires_in_s: Math.round(Number(days) * 86400) } : {}),
    });
    // from the first key on this page needs one as well: before anything else asks
    if (first && made.key) await signIn({ key: made.key });
    window.dispatchEvent(new Event(UNAUTHORIZED));
    onMade(made.key ?? "");
  };
  return (
    <Dialog title={t("keys.create")} confirm={t("keys.create")} onClose={onClose} onConfirm={make}
      disabled={!name.trim() || roles.length === 0}>
      <Field label={t("keys.name")} required>
        {(ids) => <input {...ids} className="input" required maxLength={64} value={name}
          onChange={(event) => setName(event.target.value)} />}
      </Field>
      {first && <p className="muted">{t("keys.first")}</p>}
      <Field label={t("keys.days")}>
        {(ids) => <input {...ids} className="input num" type="number" min={1} max={3650} value={days}
          onChange={(event) => setDays(event.target.value)} />}
      </Field>
      <fieldset className="form-group">
        <legend>{t("field.roles")}</legend>
        {ROLES.map((role) => (
          <label key={role} className="row">
            <input type="checkbox" checked={roles.includes(role)}
              onChange={(event) => setRoles(event.target.checked ? [...roles, role]
                : roles.filter((each) => each !== role))} />
            {t(`keys.role.${role}`)}
          </label>
        ))}
      </fieldset>
    </Dialog>
  );
}

export default function Keys() {
  const { t } = useTranslation();
  const list = useData<Page<Key>>("/keys");
  const { session } = useSession();
  const [creating, setCreating] = useState(false);
  const [revoking, setRevoking] = useState<Key | null>(null);
  const [made, setMade] = useState("");
  const when = (time?: string | null) => (time ? dateTime(Date.parse(time)) : t("keys.never"));
  return (
    <>
      <PageHead title={t("keys.title")} subtitle={t("keys.subtitle")}>
        {list.data && <button className="button primary" onClick={() => setCreating(true)}>
          {t("keys.create")}
        </button>}
      </PageHead>
      <div className="stack">
        {made && <div className="notice good" role="status">
          <div className="grow stack-small">
            <span>{t("keys.once")}</span><code>{made}</code>
          </div>
          <CopyButton text={made} />
        </div>}
        <div className="card">
          {list.error && <div className="card-body">
            <ErrorNotice error={list.error} again={list.reload} />
          </div>}
          {list.loading && <Loading />}
          {list.data?.items.length === 0 && <Empty icon="keys" title={t("keys.empty")} />}
          {list.data && list.data.items.length > 0 && <div className="table-wrap">
            <table className="table">
              <caption className="sr">{t("keys.title")}</caption>
              <thead><tr>
                <th scope="col">{t("field.name")}</th>
                <th scope="col">{t("field.roles")}</th>
                <th scope="col">{t("field.created")}</th>
                <th scope="col">{t("keys.expires")}</th>
                <th scope="col">{t("keys.scopes")}</th>
                <th scope="col"><span className="sr">{t("keys.revoke")}</span></th>
              </tr></thead>
              <tbody>{list.data.items.map((key) => (
                <tr key={key.id}>
                  <td>{key.name || key.id} <span className="mono muted">{key.id}</span></td>
                  <td><div className="row">
                    {key.roles.map((role) => (
                      <span className="tag" key={role}>{t(`keys.role.${role}`, role)}</span>
                    ))}
                  </div></td>
                  <td className="nowrap">{when(key.created_at)} <span className="muted">
                    {key.created_by}</span></td>
                  <td className="nowrap">{when(key.expires_at)}</td>
                  <td>{key.scopes?.length ? key.scopes.join(", ") : t("keys.all_scopes")}</td>
                  <td className="end">{key.revoked_at
                    ? <span className="muted">{t("keys.revoked")}</span> : (
                    <button className="button small danger" onClick={() => setRevoking(key)}>
                      {t("keys.revoke")}<span className="sr"> {key.name || key.id}</span>
                    </button>
                  )}</td>
                </tr>
              ))}</tbody>
            </table>
          </div>}
        </div>
      </div>
      {creating && <Create first={!session.keys_needed} onClose={() => setCreating(false)} onMade={(key) => {
        setMade(key);
        setCreating(false);
        list.reload();
      }} />}
      {revoking && <Dialog title={t("keys.revoke")} confirm={t("keys.revoke")} danger
        onClose={() => setRevoking(null)} onConfirm={async () => {
          await request("DELETE", `/keys/${encodeURIComponent(revoking.id)}`);
          setRevoking(null);
          list.reload();
        }}>
        <p>{t("keys.revoke_text", { name: revoking.name || revoking.id })}</p>
      </Dialog>}
    </>
  );
}
