import { useEffect, useRef, useState } from 'react';
import { ALL, type Variable } from './variables';

/** Lets people choose the value of a dashboard's variable, or several. */
export function VariablePicker({ of: v, onChange }: { of: Variable; onChange(values: string[]): void }) {
  if (v.kind === 'textbox') {
    return (
      <label className="variable">
        {v.label}
        <input defaultValue={v.value[0] ?? ''} onBlur={(e) => e.target.value !== (v.value[0] ?? '') && onChange([e.target.value])} onKeyDown={(e) => e.key === 'Enter' && e.currentTarget.blur()} />
      </label>
    );
  }
  if (v.multi) {
    return <Several of={v} onChange={onChange} />;
  }
  const value = v.value.includes(ALL) ? ALL : v.value[0];
  const options = [...new Set([...v.options, ...(value && value !== ALL ? [value] : [])])];
  return (
    <label className="variable">
      {v.label}
      <select value={value} onChange={(e) => onChange([e.target.value])}>
        {v.includeAll && <option value={ALL}>All</option>}
        {options.map((o) => <option key={o}>{o}</option>)}
      </select>
    </label>
  );
}

function Several({ of: v, onChange }: { of: Variable; onChange(values: string[]): void }) {
  const place = useRef<HTMLDivElement>(null);
  const [open, setOpen] = useState(false);
  const [chosen, choose] = useState(v.value);
  useEffect(() => choose(v.value), [v.value.join('\n')]); // eslint-disable-line
  const close = () => {
    setOpen(false);
    if (chosen.join('\n') !== v.value.join('\n')) {
      onChange(chosen.length > 0 ? chosen : [ALL]);
    }
  };
  useEffect(() => {
    if (!open) {
      return;
    }
    const outside = (e: Event) => !place.current?.contains(e.target as Node) && close();
    addEventListener('pointerdown', outside);
    addEventListener('focusin', outside);
    return () => { removeEventListener('pointerdown', outside); removeEventListener('focusin', outside); };
  });
  const all = chosen.includes(ALL);
  const options = [...new Set([...v.options, ...chosen.filter((o) => o !== ALL)])];
  const toggle = (o: string) => {
    const rest = all ? [] : chosen;
    choose(rest.includes(o) ? rest.filter((x) => x !== o) : [...rest, o]);
  };
  const id = `variable-${v.name}`;
  return (
    <div className="variable several" ref={place} onKeyDown={(e) => { if (e.key === 'Escape' && open) { close(); place.current?.querySelector('button')?.focus(); } }}>
      <span id={id}>{v.label}</span>
      <button type="button" aria-expanded={open} aria-labelledby={`${id} ${id}-value`} onClick={() => (open ? close() : setOpen(true))}>
        <span id={`${id}-value`}>{all ? 'All' : chosen.join(' + ')}</span> <span aria-hidden="true">▾</span>
      </button>
      {open && (
        <div role="group" aria-labelledby={id} className="options">
          {v.includeAll && <label><input type="checkbox" checked={all} onChange={() => choose(all ? [] : [ALL])} /> All</label>}
          {options.map((o) => <label key={o}><input type="checkbox" checked={!all && chosen.includes(o)} onChange={() => toggle(o)} /> {o}</label>)}
          {options.length === 0 && <span className="quiet">Nothing to choose from yet.</span>}
        </div>
      )}
    </div>
  );
}
