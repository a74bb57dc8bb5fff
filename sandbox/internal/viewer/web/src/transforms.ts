import { standardTransformers, standardTransformersRegistry, transformDataFrame, type DataFrame } from '@grafana/data';
import { lastValueFrom } from 'rxjs';

// Grafana's own transformations, by their ids.
const known = new Map(Object.values(standardTransformers).map((t) => [t.id as string, t]));
standardTransformersRegistry.setInit(() => [...known.values()].map((t) => ({
  id: t.id, name: t.name, description: t.description ?? '', editor: () => null, transformation: async () => t as any, imageDark: '', imageLight: '',
})));

/** What a panel makes of its data before it draws them. A transformation that is not known is refused by its name. */
export async function transform(panel: any, frames: DataFrame[], fill: (text: string) => string): Promise<DataFrame[]> {
  const all = (panel.transformations ?? []).filter((t: any) => !t.disabled);
  for (const t of all) {
    if (!known.has(t.id)) {
      throw new Error(`The sandbox does not know the transformation “${t.id}”.`);
    }
  }
  return all.length === 0 ? frames : lastValueFrom(transformDataFrame(all, frames, { interpolate: fill }));
}
