import { useCallback, useEffect, useState } from 'react';

/** Asks again and again while the page is seen; again() asks at once. */
export function usePoll<T>(ask: () => Promise<T>, every: number) {
  const [value, set] = useState<T>();
  const [error, setError] = useState<string>();
  const again = useCallback(() => ask().then((v) => { set(v); setError(undefined); }, (e: Error) => setError(e.message)), []); // eslint-disable-line
  useEffect(() => {
    again();
    const timer = setInterval(() => document.visibilityState === 'visible' && again(), every);
    return () => clearInterval(timer);
  }, [again, every]);
  return { value, error, again };
}
