// A QR code for paper.
import qrcode from 'qrcode-generator';

/** Short text (a few hundred characters at most). Dark squares as one path: what a reader needs, and crisp on any printer. */
export function Qr(props: { text: string; said: string }) {
  const code = qrcode(0, 'M');
  code.addData(props.text);
  code.make();
  const n = code.getModuleCount();
  let path = '';
  for (let y = 0; y < n; y++) for (let x = 0; x < n; x++) if (code.isDark(y, x)) path += `M${x} ${y}h1v1h-1z`;
  return (
    <svg class="qr" viewBox={`-4 -4 ${n + 8} ${n + 8}`} role="img" aria-label={props.said}>
      <rect x="-4" y="-4" width={n + 8} height={n + 8} fill="#fff" />
      <path d={path} fill="#000" />
    </svg>
  );
}
