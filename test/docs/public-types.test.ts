import { join, relative } from 'node:path';
import t from 'tap';
import ts from 'typescript';
import { packageRoot } from '../../src/native/package-root.js';

const sources = join(packageRoot, 'src');
const index = join(sources, 'index.ts');
const config = ts.readConfigFile(join(packageRoot, 'tsconfig.json'), ts.sys.readFile).config;
const { options } = ts.parseJsonConfigFileContent(config, ts.sys, packageRoot);
const program = ts.createProgram([index], { ...options, noEmit: true });
const checker = program.getTypeChecker();

function exportsOf(symbol: ts.Symbol | undefined): ts.Symbol[] {
  if (!symbol) return [];
  return checker.getExportsOfModule(symbol).flatMap((each) => {
    const target = resolved(each);
    return target.flags & ts.SymbolFlags.ValueModule ? exportsOf(target) : [target];
  });
}

function resolved(symbol: ts.Symbol): ts.Symbol {
  return symbol.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol;
}

const isHidden = (node: ts.Node) =>
  ts.getJSDocTags(node).some(({ tagName }) => tagName.text === 'internal') ||
  (ts.canHaveModifiers(node) &&
    ts.getModifiers(node)?.some(({ kind }) => kind === ts.SyntaxKind.PrivateKeyword)) ||
  (ts.isClassElement(node) && node.name !== undefined && ts.isPrivateIdentifier(node.name));

/** The names of types in what a declaration shows: no bodies, no values, nothing private. */
function shownTypes(node: ts.Node): ts.Identifier[] {
  if (isHidden(node) || ts.isBlock(node) || (ts.isExpression(node) && !ts.isIdentifier(node))) {
    if (!ts.isExpressionWithTypeArguments(node)) return [];
  }
  const own =
    ts.isTypeReferenceNode(node) && ts.isIdentifier(node.typeName)
      ? [node.typeName]
      : ts.isExpressionWithTypeArguments(node) && ts.isIdentifier(node.expression)
        ? [node.expression]
        : [];
  const inside: ts.Identifier[] = [];
  node.forEachChild((child) => {
    inside.push(...shownTypes(child));
  });
  return [...own, ...inside];
}

t.test('every type that a public declaration shows is exported', async (t) => {
  const file = program.getSourceFile(index);
  const shown = exportsOf(file && checker.getSymbolAtLocation(file));
  t.ok(shown.length > 60);
  const missing = new Set<string>();
  for (const declaration of shown.flatMap((symbol) => symbol.declarations ?? [])) {
    for (const name of shownTypes(declaration)) {
      const symbol = checker.getSymbolAtLocation(name);
      const [origin] = symbol ? (resolved(symbol).declarations ?? []) : [];
      const path = origin?.getSourceFile().fileName ?? '';
      if (!origin || ts.isTypeParameterDeclaration(origin) || !path.startsWith(sources)) continue;
      if (symbol && !shown.includes(resolved(symbol))) {
        missing.add(`${name.text} of ${relative(sources, path)}`);
      }
    }
  }
  t.same([...missing], []);
});
