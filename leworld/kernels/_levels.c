/* Every C file is compiled once for each level of instructions, and every library holds this file once: which source
 * it was made from, and the best level that the processor at hand can run. */
const char *leworld_source(void)
{
    return SOURCE;
}

const char *leworld_level(void)
{
#ifdef X86_LEVELS
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
        return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") ? "avx512" : "avx2";
#endif
    return "baseline";
}
