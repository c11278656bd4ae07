// SPDX-License-Identifier: Apache-2.0
// A form for an input that a JSON Schema describes: what has no plain control is written as JSON.
// The server checks again; this only makes it easy to be right.
import { useState } from "react";
import { useTranslation } from "react-i18next";
import type { Schema } from "../api";
import { Field } from "./basics";

type Values = Record<string, unknown>;

export function typeOf(schema: Schema): string {
  const type = Array.isArray(schema.type)
    ? schema.type.find((each) => each !== "null") : schema.type;
  if (schema.enum) return "enum";
  return type ?? (schema.properties ? "object" : "any");
}

/** The defaults of a schema, with room for what is required. */
export function initialValue(schema: Schema): Values {
  const out: Values = {};
  for (const [name, property] of Object.entries(schema.properties ?? {})) {
    if (property.default !== undefined) out[name] = property.default;
    else if (typeOf(property) === "object" && property.properties) {
      const inner = initialValue(property);
      if (Object.keys(inner).length > 0) out[name] = inner;
    }
  }
  return out;
}

function JsonControl({ value, onChange, ids }: {
  value: unknown; onChange: (value: unknown) => void; ids: object;
}) {
  const { t } = useTranslation();
  const [text, setText] = useState(value === undefined ? "" : JSON.stringify(value, null, 2));
  const [wrong, setWrong] = useState("");
  const change = (next: string) => {
    setText(next);
    if (!next.trim()) {
      setWrong("");
      return onChange(undefined);
    }
    try {
      onChange(JSON.parse(next));
      setWrong("");
    } catch (error) {
      setWrong(t("form.not_json", { message: (error as Error).message }));
    }
  };
  return <>
    <textarea {...ids} className="area code" value={text} spellCheck={false}
      onChange={(event) => change(event.target.value)} />
    {wrong && <div className="wrong" role="alert">{wrong}</div>}
  </>;
}

function TextList({ value, onChange, label, numbers }: {
  value: unknown[]; onChange: (value: unknown[]) => void; label: string; numbers: boolean;
}) {
  const { t } = useTranslation();
  const set = (index: number, text: string) => onChange(value.map((old, i) =>
    i === index ? (numbers && text !== "" && !Number.isNaN(Number(text)) ? Number(text) : text)
      : old));
  return (
    <div className="form-list">
      {value.map((each, index) => (
        <div className="row" key={index}>
          <input className="input" aria-label={`${label} ${index + 1}`} value={String(each)}
            onChange={(event) => set(index, event.target.value)} />
          <button type="button" className="button"
            onClick={() => onChange(value.filter((_, i) => i !== index))}>{t("form.remove")}</button>
        </div>
      ))}
      <div><button type="button" className="button small"
        onClick={() => onChange([...value, ""])}>{t("form.add")}</button></div>
    </div>
  );
}

function Control({ name, schema, required, value, onChange }: {
  name: string; schema: Schema; required: boolean; value: unknown;
  onChange: (value: unknown) => void;
}) {
  const { t } = useTranslation();
  const type = typeOf(schema);
  const label = schema.title ?? name;
  if (type === "object" && schema.properties) {
    return (
      <fieldset className="form-group">
        <legend>{label}</legend>
        <SchemaFields schema={schema} value={(value as Values) ?? {}} onChange={onChange} />
      </fieldset>
    );
  }
  const listed = type === "array" && ["string", "number", "integer"].includes(
    typeOf(schema.items ?? {}));
  if (listed) {
    return (
      <fieldset className="form-group">
        <legend>{label}{required && ` (${t("form.required")})`}</legend>
        <TextList label={label} numbers={typeOf(schema.items ?? {}) !== "string"}
          value={Array.isArray(value) ? value : []} onChange={onChange} />
      </fieldset>
    );
  }
  return (
    <Field label={label} hint={schema.description} required={required}>
      {(ids) => {
        if (type === "enum") {
          return (
            <select {...ids} className="select" value={value === undefined ? "" : JSON.stringify(value)}
              onChange={(event) => onChange(event.target.value === "" ? undefined
                : JSON.parse(event.target.value))}>
              <option value="">{t("form.unset")}</option>
              {(schema.enum ?? []).map((each) => (
                <option key={JSON.stringify(each)} value={JSON.stringify(each)}>
                  {typeof each === "string" ? each : JSON.stringify(each)}
                </option>
              ))}
            </select>
          );
        }
        if (type === "boolean") {
          return <label className="row">
            <input {...ids} type="checkbox" checked={value === true}
              onChange={(event) => onChange(event.target.checked)} />{t("form.yes")}
          </label>;
        }
        if (type === "number" || type === "integer") {
          return <input {...ids} className="input num" type="number" required={required}
            step={type === "integer" ? 1 : "any"} min={schema.minimum} max={schema.maximum}
            value={value === undefined ? "" : String(value)}
            onChange={(event) => onChange(event.target.value === "" ? undefined
              : Number(event.target.value))} />;
        }
        if (type === "string") {
          const long = (schema.maxLength ?? 0) > 200 || schema.format === "textarea";
          const shared = {
            ...ids, required, value: (value as string) ?? "", minLength: schema.minLength,
            maxLength: schema.maxLength,
          };
          return long
            ? <textarea {...shared} className="area"
                onChange={(event) => onChange(event.target.value || undefined)} />
            : <input {...shared} className="input"
                onChange={(event) => onChange(event.target.value || undefined)} />;
        }
        return <JsonControl ids={ids} value={value} onChange={onChange} />;
      }}
    </Field>
  );
}

export function SchemaFields({ schema, value, onChange }: {
  schema: Schema; value: Values; onChange: (value: Values) => void;
}) {
  const required = new Set(schema.required ?? []);
  const set = (name: string, next: unknown) => {
    const out = { ...value };
    if (next === undefined) delete out[name];
    else out[name] = next;
    onChange(out);
  };
  return (
    <div className="form-grid">
      {Object.entries(schema.properties ?? {}).map(([name, property]) => (
        <Control key={name} name={name} schema={property} required={required.has(name)}
          value={value[name]} onChange={(next) => set(name, next)} />
      ))}
    </div>
  );
}
