/** The plugins of this extension. */
import { jobsPlugin } from './plugins/jobs';
import { promotePlugin } from './plugins/promote';
import { modelPlugin, panelPlugin, returnPlugin, statusPlugin } from './plugins/share';

export { IShareModel } from './model/share';

export default [modelPlugin, panelPlugin, statusPlugin, returnPlugin, promotePlugin, jobsPlugin];
