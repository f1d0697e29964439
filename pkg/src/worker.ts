/** The script of the worker: it runs the engine and speaks the protocol with the page. */
import { browserEnvironment } from "./environment.js";
import { serve } from "./serve.js";

serve(browserEnvironment);
