import { useEffect, useRef, useState, type ComponentType } from 'react';

const signs = ['pointermove', 'pointerdown', 'keydown', 'focusin'];

/**
 * A component whose code is fetched at the first sign that somebody is there to use it, or when it is drawn. One that is
 * drawn before its code has come takes the focus when it appears, as it would have had it come at once.
 */
export function later<P extends object>(fetch: () => Promise<ComponentType<P>>): ComponentType<P> {
  let loaded: ComponentType<P> | undefined;
  let coming: Promise<void> | undefined;
  const load = () => {
    signs.forEach((s) => removeEventListener(s, load, true));
    coming ??= fetch().then((c) => { loaded = c; });
    return coming;
  };
  signs.forEach((s) => addEventListener(s, load, true));
  return function Later(props: P) {
    const [Content, set] = useState(() => loaded);
    const late = useRef<HTMLDivElement>(null);
    useEffect(() => {
      if (!Content) {
        let gone = false;
        void load().then(() => !gone && set(() => loaded));
        return () => { gone = true; };
      }
      late.current?.querySelector<HTMLElement>('button, input, a[href]')?.focus();
    }, [Content]);
    const [wasLate] = useState(!Content);
    return Content && (wasLate ? <div ref={late}><Content {...props} /></div> : <Content {...props} />);
  };
}
