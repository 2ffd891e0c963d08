import js from '@eslint/js';
import a11y from 'eslint-plugin-jsx-a11y';
import hooks from 'eslint-plugin-react-hooks';
import tseslint from 'typescript-eslint';

export default tseslint.config(
  { ignores: ['dist', 'lib', 'sublet_lab', 'etc'] },
  js.configs.recommended,
  {
    files: ['**/*.{ts,tsx}'],
    extends: [tseslint.configs.strictTypeChecked, tseslint.configs.stylisticTypeChecked],
    plugins: { 'jsx-a11y': a11y, 'react-hooks': hooks },
    languageOptions: { parserOptions: { projectService: true } },
    rules: {
      ...a11y.flatConfigs.strict.rules,
      ...hooks.configs.recommended.rules,
      eqeqeq: ['error', 'always', { null: 'ignore' }],
      // Lumino's signals bind what they call.
      '@typescript-eslint/unbound-method': 'off',
      'max-lines': ['error', 400],
      // Whatever a user wrote is only ever a text node.
      'no-restricted-properties': [
        'error',
        { property: 'innerHTML', message: 'Text of users is never HTML: use text nodes.' },
        { property: 'outerHTML', message: 'Text of users is never HTML: use text nodes.' },
        { property: 'insertAdjacentHTML', message: 'Text of users is never HTML: use text nodes.' }
      ],
      'no-restricted-syntax': [
        'error',
        {
          selector: 'JSXAttribute[name.name="dangerouslySetInnerHTML"]',
          message: 'Text of users is never HTML: use text nodes.'
        }
      ],
      '@typescript-eslint/consistent-type-imports': 'error',
      '@typescript-eslint/explicit-module-boundary-types': 'error',
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true }]
    }
  },
  {
    files: ['scripts/**', '*.mjs'],
    languageOptions: { globals: { console: 'readonly', process: 'readonly', URL: 'readonly' } }
  },
  {
    files: ['*.cjs'],
    languageOptions: { globals: { module: 'writable' } }
  }
);
