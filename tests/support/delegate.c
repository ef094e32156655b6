/* A TFLite external delegate that takes a part of a model and computes nothing: outputs stay zero.
 *
 * TAKES: the share of the nodes in percent, from the first. ON_CREATE, ON_INVOKE: what happens in
 * between. The structures are those of TensorFlow Lite's C API (common.h), as far as they are used.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifndef TAKES
#define TAKES 100
#endif
#ifndef ON_CREATE
#define ON_CREATE
#endif
#ifndef ON_INVOKE
#define ON_INVOKE
#endif

typedef struct { int size; int data[]; } IntArray;
typedef struct Context Context;
typedef struct Delegate Delegate;
typedef void (*Report)(const char *);

typedef struct {
  void *init, *free_, *prepare;
  int (*invoke)(Context *, void *);
  void *profiling_string;
  int32_t builtin_code;
  const char *custom_name;
  int version;
  void *reserved[8];
} Registration;

struct Context {
  size_t tensors_size;
  int (*get_execution_plan)(Context *, IntArray **);
  void *unused[6];
  int (*replace_nodes)(Context *, Registration, const IntArray *, Delegate *);
};

struct Delegate {
  void *data;
  int (*prepare)(Context *, Delegate *);
  void *buffers[3];
  int64_t flags;
  void *reserved[8];
};

/* Whether this process is a model's trial, and not one at work. */
__attribute__((unused)) static int in_trial(void) {
  char line[4096] = "";
  int file = open("/proc/self/cmdline", O_RDONLY);
  ssize_t size = read(file, line, sizeof line - 1);
  close(file);
  for (ssize_t place = 0; place < size; place++)
    if (!line[place]) line[place] = ' ';
  return strstr(line, "model.trial") != NULL;
}

static int invoke(Context *context, void *node) {
  (void)context, (void)node;
  ON_INVOKE;
  return 0;
}

static int prepare(Context *context, Delegate *delegate) {
  IntArray *plan;
  if (context->get_execution_plan(context, &plan)) return 1;
  int size = plan->size * TAKES / 100;
  if (!size) return 0;
  IntArray *taken = malloc(sizeof *taken + size * sizeof(int));
  taken->size = size;
  memcpy(taken->data, plan->data, size * sizeof(int));
  Registration kernel;
  memset(&kernel, 0, sizeof kernel);
  kernel.invoke = invoke;
  kernel.custom_name = "TestDelegate";
  kernel.version = 1;
  int status = context->replace_nodes(context, kernel, taken, delegate);
  free(taken);
  return status;
}

void *tflite_plugin_create_delegate(char **keys, char **values, size_t count, Report report) {
  (void)keys, (void)values, (void)count, (void)report;
  ON_CREATE;
  Delegate *delegate = calloc(1, sizeof *delegate);
  delegate->prepare = prepare;
  delegate->flags = 1; /* it takes dynamic tensors, so that nothing is prepared before it chooses */
  return delegate;
}

void tflite_plugin_destroy_delegate(void *delegate) { free(delegate); }
