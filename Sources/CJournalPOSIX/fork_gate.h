// What the handlers of pthread_atfork in descriptors.c call.

#pragma once

// Waits until no other thread is in code that a fork must not cut off, and keeps all from going on.
void jp_gate_close(void);
void jp_gate_open_in_parent(void);
// Only what may be called in a signal handler.
void jp_gate_open_in_child(void);
