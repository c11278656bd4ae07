// SPDX-License-Identifier: Apache-2.0
// Who sits here and what they may do, as the server says. The key itself is never kept: signing in
// makes a cookie that no script can read. Hiding what is not allowed is a courtesy; the server
// decides with every request.
import { createContext, type ReactNode, useCallback, useContext, useEffect, useState } from "react";
import { type ApiError, get, request, setCsrf, UNAUTHORIZED } from "./api";

export type Session = {
  name: string; tenant: string; roles: string[]; permissions: string[];
  keys_needed?: boolean; csrf?: string; people?: People | null;
  passwords?: boolean; // there are people who sign in by name and password
};
/** Where people sign in with the account of their house. */
export type People = { label: string; url: string };
type Value = { session: Session; may: (action: string) => boolean; signOut: () => Promise<void> };

const NOBODY: Session = { name: "", tenant: "", roles: [], permissions: [] };
const Context = createContext<Value>({
  session: NOBODY, may: () => false, signOut: () => Promise.resolve(),
});
export const useSession = () => useContext(Context);

export async function signIn(shown: { key: string } | { user: string; password: string }) {
  const session = await request<Session>("POST", "/session", shown);
  setCsrf(session.csrf ?? "");
}

export function SessionGate({ children, login, waiting }: {
  children: ReactNode; login: (entered: () => void, asked: Session) => ReactNode;
  waiting: (error: ApiError | null) => ReactNode;
}) {
  const [session, setSession] = useState<Session | null>(null);
  const [error, setError] = useState<ApiError | null>(null);
  const [locked, setLocked] = useState(false);
  const read = useCallback(async () => {
    try {
      const told = await get<Session>("/session");
      setCsrf(told.csrf ?? "");
      setSession(told);
      setLocked(told.permissions.length === 0);
      setError(null);
    } catch (failure) {
      setError(failure as ApiError);
    }
  }, []);
  useEffect(() => {
    void read();
    const lock = () => void read();
    window.addEventListener(UNAUTHORIZED, lock);
    return () => window.removeEventListener(UNAUTHORIZED, lock);
  }, [read]);
  useEffect(() => {
    if (!error) return;
    const timer = setTimeout(() => void read(), 2000);
    return () => clearTimeout(timer);
  }, [error, read]);
  if (locked) return <>{login(() => void read(), session ?? NOBODY)}</>;
  if (!session) return <>{waiting(error)}</>;
  const signOut = async () => {
    const left = await request<{ continue_at?: string }>("DELETE", "/session");
    setCsrf("");
    if (left.continue_at) window.location.assign(left.continue_at);
    setLocked(true);
  };
  const may = (action: string) => session.permissions.includes(action);
  return <Context value={{ session, may, signOut }}>{children}</Context>;
}
