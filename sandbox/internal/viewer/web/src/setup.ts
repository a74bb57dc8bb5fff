import './early';

// Before anything else of Grafana's is loaded: where its components find their icons.
(window as any).__grafana_public_path__ = '/public/';
