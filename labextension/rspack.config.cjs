/**
 * What JupyterLab's builder is told besides: the package that console and extension share comes as
 * TypeScript, so that it is built by nobody before it is used.
 */
module.exports = {
  module: {
    rules: [
      {
        test: /\.ts$/,
        loader: 'builtin:swc-loader',
        options: { jsc: { parser: { syntax: 'typescript' }, target: 'es2020' } },
        type: 'javascript/auto'
      }
    ]
  },
  resolve: { extensions: ['...', '.ts'] }
};
