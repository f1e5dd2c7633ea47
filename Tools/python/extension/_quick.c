// The one call of the package that is worth an extension module: beside a disk's sync, what ctypes and the writing of JSON take is
// seen. Without this module the package does the same through ctypes. It uses the limited API alone, so that one binary serves
// every CPython from 3.10.
#define PY_SSIZE_T_CLEAN
#define Py_LIMITED_API 0x030A0000
#include <Python.h>
#include <agent_journal.h>

typedef int (*add_text_function)(
    aj_journal *journal, const aj_text_memory *memory, int unless_shared, aj_receipt *receipt, aj_error **error);

static add_text_function library_add_text = NULL;

// How many texts `add_text` is given, and how many of them must be there.
enum { TEXTS = 5, REQUIRED = 2 };

// In characters. An object keeps its UTF-8 once that was asked for, which for a long one is to be spared.
enum { LONGEST = 65536 };

PyDoc_STRVAR(bind_doc, "bind(address)\n--\n\nSays where the library's function aj_add_text is.");

static PyObject *bind(PyObject *module, PyObject *address) {
    (void)module;
    void *found = PyLong_AsVoidPtr(address);
    if (found == NULL && PyErr_Occurred()) return NULL;
    library_add_text = (add_text_function)found;
    Py_RETURN_NONE;
}

// Whether it is a text for the library. It stays the object's: the caller of `add_text` keeps it meanwhile.
static int is_text(PyObject *given, aj_text *text) {
    if (!PyUnicode_Check(given) || PyUnicode_GetLength(given) > LONGEST) return 0;
    Py_ssize_t length = 0;
    text->bytes = PyUnicode_AsUTF8AndSize(given, &length);
    text->length = (size_t)length;
    return text->bytes != NULL;
}

PyDoc_STRVAR(
    add_text_doc,
    "add_text(journal, conversation, content, role, mime_type, idempotency_key, unless_shared)\n--\n\n"
    "Adds a memory to the journal with this address. Returns its receipt: its sequence, when it was recorded, in microseconds,\n"
    "and whether it is replayed and erased. None: nothing was done, as another process has the journal open, or as a text is none or is long.\n"
    "A number: the address of the library's error.");

static PyObject *add_text(PyObject *module, PyObject *const *arguments, Py_ssize_t count) {
    (void)module;
    if (count != TEXTS + 2 || library_add_text == NULL) {
        PyErr_SetString(PyExc_TypeError, "add_text takes 7 arguments, after bind");
        return NULL;
    }
    aj_journal *journal = PyLong_AsVoidPtr(arguments[0]);
    if (journal == NULL && PyErr_Occurred()) return NULL;
    int unless_shared = PyObject_IsTrue(arguments[TEXTS + 1]);
    if (unless_shared < 0) return NULL;
    aj_text_memory memory = {.size = sizeof memory};
    aj_text *const places[TEXTS] = {
        &memory.conversation, &memory.content, &memory.role, &memory.mime_type, &memory.idempotency_key};
    for (int place = 0; place < TEXTS; place++) {
        PyObject *given = arguments[place + 1];
        if (given == Py_None ? place >= REQUIRED : is_text(given, places[place])) continue;
        if (PyErr_Occurred() && !PyErr_ExceptionMatches(PyExc_UnicodeError)) return NULL;
        PyErr_Clear();
        Py_RETURN_NONE;
    }

    aj_receipt receipt = {0, 0, 0, 0};
    aj_error *error = NULL;
    int status;
    Py_BEGIN_ALLOW_THREADS
    status = library_add_text(journal, &memory, unless_shared, &receipt, &error);
    Py_END_ALLOW_THREADS
    if (status == AJ_SHARED) Py_RETURN_NONE;
    if (status != AJ_OK) return PyLong_FromVoidPtr(error);
    return Py_BuildValue(
        "(KLii)", (unsigned long long)receipt.sequence, (long long)receipt.recorded_microseconds, receipt.replayed, receipt.erased);
}

static PyMethodDef functions[] = {
    {"bind", bind, METH_O, bind_doc},
    {"add_text", (PyCFunction)(void (*)(void))add_text, METH_FASTCALL, add_text_doc},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef definition = {
    .m_base = PyModuleDef_HEAD_INIT,
    .m_name = "_quick",
    .m_doc = "What is called so often that ctypes takes too long for it.",
    .m_size = -1,
    .m_methods = functions,
};

PyMODINIT_FUNC PyInit__quick(void) { return PyModule_Create(&definition); }
