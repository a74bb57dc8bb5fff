import './setup';
import { createTheme, ThemeContext } from '@grafana/data';
import { initPluginTranslations } from '@grafana/i18n';
import { GlobalStyles, PortalContainer } from '@grafana/ui';
import { StrictMode, useEffect, useState } from 'react';
import { createRoot } from 'react-dom/client';
import { App } from './App';
import { previewParams } from './preview';
import './style.css';

/** Dark or light: as chosen, else as the system has it. */
function Root() {
  const [mode, setMode] = useState<'dark' | 'light'>(
    () => (previewParams().get('theme') as 'dark' | 'light') ?? (localStorage.getItem('theme') as 'dark' | 'light') ?? (matchMedia('(prefers-color-scheme: light)').matches ? 'light' : 'dark')
  );
  const [theme, setTheme] = useState(() => createTheme({ colors: { mode } }));
  useEffect(() => {
    setTheme(createTheme({ colors: { mode } }));
    document.documentElement.dataset.theme = mode;
  }, [mode]);
  return (
    <ThemeContext.Provider value={theme}>
      <GlobalStyles />
      <App theme={theme} onTheme={() => setMode((m) => {
        const next = m === 'dark' ? 'light' : 'dark';
        localStorage.setItem('theme', next);
        return next;
      })} />
      <PortalContainer />
    </ThemeContext.Provider>
  );
}

// Grafana's components look their words up; without a language of ours they are English.
initPluginTranslations('obsandbox').catch(() => undefined).finally(() => {
  createRoot(document.getElementById('root')!).render(<StrictMode><Root /></StrictMode>);
});
