"""The MRdIB loss module: bottleneck, decoders and the terms."""
