export function App() { return <main class="door">…</main>; }
