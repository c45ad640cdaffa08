/* The library is loaded, used on a thread that outlives the unloading, and loaded again. */
#include <aura.h>
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>

typedef struct {
  void *library;
  pthread_barrier_t used, unloaded;
  int wrong;
} stage_t;

/* ISO C has no conversion from data to function pointers; POSIX has it this way. */
static void *find(void *library, const char *name, void *function) {
  return *(void **)function = dlsym(library, name);
}

static void *use(void *argument) {
  stage_t *stage = argument;
  aura_engine_t *(*create)(void);
  void *(*allocate)(aura_engine_t *, size_t);
  void (*release)(aura_engine_t *, void *);
  void (*destroy)(aura_engine_t *);
  stage->wrong = find(stage->library, "aura_create", &create) == NULL ||
                 find(stage->library, "aura_buffer_alloc", &allocate) == NULL ||
                 find(stage->library, "aura_buffer_free", &release) == NULL ||
                 find(stage->library, "aura_destroy", &destroy) == NULL;
  if (!stage->wrong) {
    aura_engine_t *engine = create();
    void *buffer = allocate(engine, 4096); /* Leaves something behind in the thread. */
    stage->wrong = buffer == NULL;
    release(engine, buffer);
    destroy(engine);
  }
  pthread_barrier_wait(&stage->used);
  pthread_barrier_wait(&stage->unloaded);
  return NULL;
}

int main(int argc, char **argv) {
  for (int round = 0; round < 3; round++) {
    stage_t stage = {.library = dlopen(argc > 1 ? argv[1] : "libaura.so.0", RTLD_NOW | RTLD_LOCAL)};
    if (stage.library == NULL) {
      puts(dlerror());
      return 1;
    }
    pthread_barrier_init(&stage.used, NULL, 2);
    pthread_barrier_init(&stage.unloaded, NULL, 2);
    pthread_t thread;
    if (pthread_create(&thread, NULL, use, &stage) != 0) {
      return 2;
    }
    pthread_barrier_wait(&stage.used);
    if (dlclose(stage.library) != 0) {
      return 3;
    }
    pthread_barrier_wait(&stage.unloaded);
    pthread_join(thread, NULL);
    if (stage.wrong) {
      return 4;
    }
  }
  return 0;
}
