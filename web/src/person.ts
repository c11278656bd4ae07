// SPDX-License-Identifier: Apache-2.0
// Who sits here, for the record of decisions. It grants nothing: rights belong to the key.
const KEY = "weft.name";
export const myName = () => localStorage.getItem(KEY) ?? "";
export function setMyName(name: string) {
  if (name.trim()) localStorage.setItem(KEY, name.trim());
  else localStorage.removeItem(KEY);
}
