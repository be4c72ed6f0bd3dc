"""Plays simplnx where it is not installed: takes what its Python bindings take, refuses what they refuse.

Types are checked as pybind11 checks them, parameters, paths, actions and the order of preflight and execution as the
code in C++ does (simplnx 24.09). Not played: filters in C++, .dream3d files, the windows. ``test_simplnx.py`` runs on
this and, where it is installed, on simplnx itself.
"""

import enum
import json
import operator
import os
import re
from pathlib import Path

import numpy as np

UNWRITTEN = 0x5A
"""Byte that fills the arrays of an execution before a filter does."""


def _refused(value, expected):
    return TypeError(f"incompatible arguments: expected {expected}; got {value!r}")


def _text(value):
    if not isinstance(value, str) or any("\ud800" <= letter <= "\udfff" for letter in value):
        raise _refused(value, "str")
    return str(value)


def _flag(value):
    if not isinstance(value, bool | np.bool_):
        raise _refused(value, "bool")
    return bool(value)


def _whole(bits, signed):
    low, high = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)

    def cast(value):
        if isinstance(value, float | np.floating) or not hasattr(value, "__index__"):
            raise _refused(value, "int")
        if not low <= operator.index(value) <= high:
            raise _refused(value, f"int of {bits} bits")
        return operator.index(value)

    return cast


_index, _int32 = _whole(64, False), _whole(32, True)


def _real(dtype):
    def cast(value):
        if isinstance(value, str) or not (hasattr(value, "__float__") or hasattr(value, "__index__")):
            raise _refused(value, "float")
        return float(dtype(value))

    return cast


def _list(each):
    def cast(value):
        if not isinstance(value, list | tuple | np.ndarray):
            raise _refused(value, "list")
        return [each(item) for item in value]

    return cast


def _set(kind):
    def cast(value):
        if not isinstance(value, set | frozenset) or not all(isinstance(item, kind) for item in value):
            raise _refused(value, f"set of {kind.__name__}")
        return set(value)

    return cast


def _one(kind):
    def cast(value):
        if not isinstance(value, kind):
            raise _refused(value, str(kind))
        return value

    return cast


def _file(value):
    if not isinstance(value, str | os.PathLike):
        raise _refused(value, "os.PathLike")
    return Path(value)


def _open(each):
    return lambda value: None if value is None else each(value)


class Uuid:
    def __init__(self, text):
        if not re.fullmatch(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}", _text(text)):
            raise ValueError(f"Invalid uuid string '{text}'")
        self._text = text.lower()

    def __str__(self):
        return self._text


class DataPath:
    """Two of the same path are not equal, as in simplnx: it defines no comparison for Python."""

    def __init__(self, path=()):
        parts = path._parts if isinstance(path, DataPath) else path
        parts = parts.split("/") if isinstance(parts, str) else _list(_text)(parts)
        if any("/" in part for part in parts):
            raise ValueError(f"DataPath: Invalid DataObject name - {parts}")
        self._parts = tuple(part for part in parts if part)

    def __repr__(self):
        return f"DataPath('{'/'.join(self._parts)}')"

    def __str__(self):
        return "/".join(self._parts)

    def __len__(self):
        return len(self._parts)

    def __getitem__(self, index):
        return self._parts[_index(index)]

    def to_string(self, delimiter):
        return _text(delimiter).join(self._parts)

    def create_child_path(self, name):
        return DataPath([*self._parts, _text(name)])

    def parts(self):
        return list(self._parts)

    def parent(self):
        return DataPath(self._parts[:-1])

    def name(self):
        return self._parts[-1]


class Error:
    def __init__(self, code, message):
        self.code, self.message = _int32(code), _text(message)

    def __repr__(self):
        return f"<{type(self).__name__}({self.code}, {self.message!r})>"


class Warning(Error):
    pass


class Result:
    """An empty list of errors makes it invalid, as in simplnx; None does not."""

    def __init__(self, errors=None, warnings=None):
        self._errors = _open(_list(_one(Error)))(errors)
        self.warnings = _open(_list(_one(Warning)))(warnings) or []

    @property
    def errors(self):
        return self._errors or []

    def valid(self):
        return self._errors is None

    def invalid(self):
        return self._errors is not None


class AtomicBoolProxy:
    """Whether the user cancelled; worth nothing once the call has returned."""

    def __init__(self, value=lambda: False):
        self.value = value

    def __bool__(self):
        if self.value is None:
            raise RuntimeError("AtomicBoolProxy is invalid")
        return self.value()


class DataType(enum.Enum):
    int8, uint8, int16, uint16, int32, uint32, int64, uint64, float32, float64, boolean = range(11)

    def numpy(self):
        return np.dtype("bool" if self is DataType.boolean else self.name)


def convert_np_dtype_to_datatype(dtype):
    for kind in DataType:
        if _one(np.dtype)(dtype) == kind.numpy():
            return kind
    raise ValueError(f"Unable to convert dtype to DataType: Unsupported dtype '{dtype}'.")


class DataGroup:
    pass


class IGeometry:
    class Type(enum.Enum):
        Image, RectGrid, Vertex, Edge, Triangle, Quad, Tetrahedral, Hexahedral = range(8)


class ImageGeom(IGeometry):
    kind = IGeometry.Type.Image

    def __init__(self, dimensions, origin, spacing):
        single = _list(_real(np.float32))
        self.dimensions = tuple(_list(_index)(dimensions))
        self.origin, self.spacing = tuple(single(origin)), tuple(single(spacing))


class AttributeMatrix:
    def __init__(self, children, tuple_shape):
        self._children, self.tuple_shape = children, _list(_index)(tuple_shape)

    def resize_tuples(self, tuple_shape):
        self.tuple_shape = _list(_index)(tuple_shape)
        for item in self._children():
            item.resize_tuples(self.tuple_shape)


class StringArray:
    def __init__(self, count):
        self.values = [""] * count

    @property
    def tdims(self):
        return [len(self.values)]

    def __len__(self):
        return len(self.values)

    def __getitem__(self, index):
        return self.values[_index(index)]

    def __setitem__(self, index, value):
        self.values[_index(index)] = _text(value)

    def resize_tuples(self, shape):
        count = int(np.prod(shape))
        self.values = (self.values + [""] * count)[:count]

    def initialize_with_list(self, values):
        if len(_one(list)(values)) > len(self):
            raise ValueError("Unable to initialize: Input list is larger than target array.")
        self.values[: len(values)] = map(_text, values)


class DataArray:
    """Without values at preflight, as in simplnx."""

    def __init__(self, data_type, tdims, cdims, execute):
        self.data_type, self.tdims, self.cdims = data_type, list(tdims), list(cdims)
        self._values = self._new() if execute else None

    def _new(self):
        values = np.empty((*self.tdims, *self.cdims), self.data_type.numpy())
        values.view(np.uint8)[...] = 1 if self.data_type is DataType.boolean else UNWRITTEN
        return values

    def npview(self):
        if self._values is None:
            raise RuntimeError("std::bad_cast")
        return self._values

    def resize_tuples(self, shape):
        self.tdims = _list(_index)(shape)
        if self._values is not None:
            self._values = self._new()


class DataStructure:
    def __init__(self):
        self._objects = {}

    @staticmethod
    def _key(path):
        return (path if isinstance(path, DataPath) else DataPath(_text(path)))._parts

    def __getitem__(self, path):
        return self._objects.get(self._key(path))

    def __len__(self):
        return len(self._objects)

    def __contains__(self, path):
        return _one(DataPath)(path)._parts in self._objects

    def exists(self, path):
        return self._key(path) in self._objects

    def get_children(self, path):
        key = self._key(path)
        return [DataPath(parts) for parts in self._objects if parts[:-1] == key and parts]

    def put(self, parts, item):
        """What an action does; a group holds groups and arrays, an attribute matrix arrays of its length alone."""
        if parts in self._objects or (parts[:-1] and parts[:-1] not in self._objects):
            return False
        above = self._objects.get(parts[:-1])
        if isinstance(above, StringArray | DataArray):
            return False
        if isinstance(above, AttributeMatrix) and (
            not hasattr(item, "tdims") or np.prod(item.tdims) != np.prod(above.tuple_shape)
        ):
            return False
        self._objects[parts] = item
        return True

    def groups(self, parts):
        """Make the groups of a path that are missing."""
        for depth in range(1, len(parts) + 1):
            self._objects.setdefault(parts[:depth], DataGroup())

    def faults(self):
        """Attribute matrices whose arrays have another length."""
        return [
            Error(-4701, f"AttributeMatrix '{parts[-1]}' has another number of tuples than '{child.name()}'")
            for parts, item in self._objects.items() if isinstance(item, AttributeMatrix)
            for child in self.get_children(DataPath(parts)) if np.prod(self[child].tdims) != np.prod(item.tuple_shape)
        ]  # fmt: skip


class _Action:
    def __init__(self, path):
        self.parts = _one(DataPath)(path)._parts

    def apply(self, data, execute):
        """The errors of doing it."""
        return [] if data.put(self.parts, self.make(data, execute)) else [Error(self.code, "/".join(self.parts))]


class CreateDataGroupAction(_Action):
    def apply(self, data, execute):
        data.groups(self.parts)
        return []


class CreateAttributeMatrixAction(_Action):
    code = -5203

    def __init__(self, path, shape):
        super().__init__(path)
        self.shape = _list(_index)(shape)

    def make(self, data, execute):
        data.groups(self.parts[:-1])
        path = DataPath(self.parts)
        return AttributeMatrix(lambda: [data[child] for child in data.get_children(path)], self.shape)


class CreateImageGeometryAction(_Action):
    code = -5702

    def __init__(self, path, dims, origin, spacing, cell_attribute_matrix_name):
        super().__init__(path)
        self.geometry = ImageGeom(dims, origin, spacing)
        self.cells = CreateAttributeMatrixAction(
            path.create_child_path(cell_attribute_matrix_name), self.geometry.dimensions[::-1]
        )

    def make(self, data, execute):
        data.groups(self.parts[:-1])
        return self.geometry

    def apply(self, data, execute):
        return super().apply(data, execute) or self.cells.apply(data, execute)


class CreateArrayAction(_Action):
    code = -265

    def __init__(self, type, t_dims, c_dims, path, data_format=""):
        super().__init__(path)
        _text(data_format)
        self.type, self.t_dims, self.c_dims = _one(DataType)(type), _list(_index)(t_dims), _list(_index)(c_dims)

    def make(self, data, execute):
        return DataArray(self.type, self.t_dims, self.c_dims, execute)

    def apply(self, data, execute):
        if not self.t_dims or not self.c_dims or not np.prod(self.c_dims):
            return [Error(-261, "CreateArray: Tuple or Component Shape was empty.")]
        return super().apply(data, execute)


class CreateStringArrayAction(_Action):
    code = -6003

    def __init__(self, t_dims, path, initialize_value=""):
        super().__init__(path)
        _text(initialize_value)
        self.t_dims = _list(_index)(t_dims)

    def make(self, data, execute):
        return StringArray(int(np.prod(self.t_dims)))


class OutputActions:
    def __init__(self):
        self.actions = []

    def append_action(self, action):
        self.actions.append(_one(_Action)(action))

    def apply(self, data, execute):
        """The errors of the first action that fails."""
        return next((errors for action in self.actions if (errors := action.apply(data, execute))), [])


class IFilter:
    class Message:
        class Type(enum.Enum):
            Info, Debug, Progress, Warning, Error = range(5)

        def __init__(self, type, message):
            self.type, self.message = _one(IFilter.Message.Type)(type), _text(message)

    class PreflightValue:
        def __init__(self, name, value):
            self.name, self.value = _text(name), _text(value)

    class PreflightResult:
        def __init__(self, output_actions=None, errors=None, warnings=None, preflight_values=None):
            if output_actions is not None and errors is not None:
                raise ValueError(
                    "IFilter.PreflightResult cannot be constructed with both output_actions and errors set"
                )
            self.actions = _open(_one(OutputActions))(output_actions) or OutputActions()
            self.result = Result(errors, warnings)
            self.output_values = _open(_list(_one(IFilter.PreflightValue)))(preflight_values) or []

        def get_result(self):
            return self.result.errors


class _ProgressMessage(IFilter.Message):
    def __init__(self, message, progress):
        super().__init__(IFilter.Message.Type.Progress, message)
        self.progress = _int32(progress)


IFilter.ProgressMessage = _ProgressMessage


class _Parameter:
    """A parameter; its class casts values as pybind11 does, and checks them as the code in C++ does."""

    cast = staticmethod(_text)

    def __init__(self, name, human_name, help_text, default_value):
        if not _text(name):
            raise ValueError("a parameter needs a name")
        self.name, self.human_name, self.help_text = name, _text(human_name), _text(help_text)
        self.default = self.cast(default_value)

    def check(self, data, value):
        """Code and text of what is wrong with a value, or None; a code above zero is a warning's."""

    def to_json(self, value):
        return str(value) if isinstance(value, DataPath | Path) else value

    def active_for(self, value, wanted):
        return value == wanted


def _parameter(name, cast):
    return type(name, (_Parameter,), {"cast": staticmethod(cast)})


StringParameter = _parameter("StringParameter", _text)
BoolParameter = _parameter("BoolParameter", _flag)
Int32Parameter = _parameter("Int32Parameter", _int32)
UInt64Parameter = _parameter("UInt64Parameter", _index)
Float32Parameter = _parameter("Float32Parameter", _real(np.float32))
Float64Parameter = _parameter("Float64Parameter", _real(np.float64))


class _VectorParameter(_Parameter):
    def __init__(self, name, human_name, help_text, default_value, names=None):
        super().__init__(name, human_name, help_text, default_value)
        if not self.default or (names is not None and len(_list(_text)(names)) != len(self.default)):
            raise RuntimeError("VectorParameter: size of names is not equal to required size")

    def check(self, data, value):
        if len(value) != len(self.default):
            return -1, f"{self.name}: expected {len(self.default)} numbers"


class VectorUInt64Parameter(_VectorParameter):
    cast = staticmethod(_list(_index))


class VectorFloat64Parameter(_VectorParameter):
    cast = staticmethod(_list(_real(np.float64)))


class ChoicesParameter(_Parameter):
    cast = staticmethod(_index)

    def __init__(self, name, human_name, help_text, default_value, choices):
        super().__init__(name, human_name, help_text, default_value)
        self.choices = _list(_text)(choices)

    def check(self, data, value):
        if value >= len(self.choices):
            return -206, f"Value '{value}' must be less than {len(self.choices)}"


class DataObjectNameParameter(StringParameter):
    def check(self, data, value):
        if not value or "/" in value:
            return -210 if value else -201, f"'{value}' is not a valid DataObject name"


class FileSystemPathParameter(_Parameter):
    cast = staticmethod(_file)

    class PathType(enum.Enum):
        InputFile, InputDir, OutputFile, OutputDir = range(4)

    def __init__(
        self, name, human_name, help_text, default_value, extensions_type, path_type, accept_all_extensions=False
    ):
        super().__init__(name, human_name, help_text, default_value)
        extensions = _set(str)(extensions_type)
        if "" in extensions:
            raise RuntimeError("FileSystemPathParameter: One of the given extensions was empty.")
        self.extensions = {f".{extension.lower().removeprefix('.')}" for extension in extensions}
        self.kind, self.any = _one(self.PathType)(path_type), _flag(accept_all_extensions)

    def check(self, data, value):
        kinds = self.PathType
        if not value.parts:
            return -3001, "File System Path must not be empty"
        if not self.any and self.kind in (kinds.InputFile, kinds.OutputFile):
            if not value.suffix:
                return -3002, "File System Path must include a file extension."
            if self.extensions and value.suffix.lower() not in self.extensions:
                return -3003, f"File extension '{value.suffix}' is not a valid file extension"
        if self.kind in (kinds.InputFile, kinds.InputDir):
            right = value.is_file() if self.kind is kinds.InputFile else value.is_dir()
            return None if right else (-3 if value.exists() else -2, f"File System Path '{value}' does not exist")
        if self.kind is kinds.OutputFile and value.is_dir():
            return -8, f"File System Path '{value}' exists AND is a directory. The Parameter is set to save a file."
        return None if value.exists() else (1, f"File System Path '{value}' does not exist. It will be created")


class _PathParameter(_Parameter):
    cast = staticmethod(_one(DataPath))

    def check(self, data, value):
        if not len(value):
            return -201, f"{self.name}: DataPath cannot be empty"
        if data[value] is None:
            return -204, f"{self.name}: Object does not exist at path '{value}'"
        return self.check_object(data[value])


class DataGroupCreationParameter(_PathParameter):
    def check(self, data, value):
        if not len(value) or data[value] is not None:
            return -202 if len(value) else -201, f"{self.name}: Object exists at path '{value}'"


class GeometrySelectionParameter(_PathParameter):
    def __init__(self, name, human_name, help_text, default_value, allowed_types):
        super().__init__(name, human_name, help_text, default_value)
        self.types = _set(IGeometry.Type)(allowed_types)

    def check_object(self, item):
        if not isinstance(item, IGeometry):
            return -3, "Object is not a subclass of IGeometry."
        return None if item.kind in self.types else (-207, "Geometry is of another type")


class ArraySelectionParameter(_PathParameter):
    """Types and components of arrays of texts are not asked for, as in simplnx."""

    def __init__(self, name, human_name, help_text, default_value, allowed_types, required_comps=()):
        super().__init__(name, human_name, help_text, default_value)
        self.types, self.components = _set(DataType)(allowed_types), _list(_list(_index))(required_comps)

    def check_object(self, item):
        if isinstance(item, StringArray):
            return None
        if not isinstance(item, DataArray):
            return -205, "Object must be a DataArray."
        if self.types and item.data_type not in self.types:
            return -207, f"DataArray was of type '{item.data_type.name}'"
        if self.components and item.cdims not in self.components:
            return -208, f"Object must have a component shape of {self.components}."
        return None


class Parameters:
    class Separator:
        def __init__(self, name=""):
            self.name = _text(name)

    def __init__(self):
        self.all, self._linkable, self._links = {}, set(), {}

    def __getitem__(self, key):
        return self.all[key]

    def insert(self, parameter):
        if isinstance(parameter, self.Separator):
            return
        if _one(_Parameter)(parameter).name in self.all:
            raise ValueError(f"Parameters::insert(parameter): Conflicting name is '{parameter.name}'")
        self.all[parameter.name] = parameter

    def insert_linkable_parameter(self, parameter):
        self.insert(_one((BoolParameter, ChoicesParameter))(parameter))
        self._linkable.add(parameter.name)

    def link_parameters(self, group_key, child_key, value):
        if child_key not in self.all or group_key not in self._linkable or child_key in self._linkable:
            raise ValueError(f"Parameters::linkParameters(...): '{group_key}' and '{child_key}'")
        self._links.setdefault(child_key, []).append((group_key, self.all[group_key].cast(value)))

    def is_active(self, key, args):
        links = self._links.get(key, [])
        return not links or any(self.all[group].active_for(args[group], value) for group, value in links)


class PyFilter(IFilter):
    """Preflight and execution are those of two clones, as it may be in simplnx."""

    def __init__(self, filter):
        self._filter = filter
        self._name, self._class = _text(filter.name()), _text(filter.class_name())
        self._uuid, self.tags = _one(Uuid)(filter.uuid()), _list(_text)(filter.default_tags())
        self._human_name, self._parameters = _text(filter.human_name()), _one(Parameters)(filter.parameters())
        self._version = _index(filter.parameters_version())

    def name(self):
        return self._name

    def uuid(self):
        return self._uuid

    def human_name(self):
        return self._human_name

    def parameters_version(self):
        return self._version

    def cast(self, args):
        """Arguments that the filter has, as C++ would hold them."""
        known = self._parameters.all
        return {name: known[name].cast(value) for name, value in args.items() if name in known}

    def preflight2(self, data, **args):
        filled = {name: parameter.default for name, parameter in self._parameters.all.items()} | self.cast(args)
        found = {
            name: parameter.check(data, filled[name])
            for name, parameter in self._parameters.all.items() if self._parameters.is_active(name, filled)
        }  # fmt: skip
        wrong = [Error(*item) for item in found.values() if item and item[0] < 0]
        told = [Warning(*item) for item in found.values() if item and item[0] > 0]
        if wrong:
            return IFilter.PreflightResult(errors=wrong, warnings=told)
        done = self._called("preflight_impl", data, filled, IFilter.PreflightResult)
        done.result.warnings += told
        return done

    def execute2(self, data_structure, **args):
        planned = self.preflight2(data_structure, **args)
        if planned.result.invalid():
            return planned.result
        errors = planned.actions.apply(data_structure, True)
        if errors:
            return Result(errors, planned.result.warnings)
        filled = {name: parameter.default for name, parameter in self._parameters.all.items()} | self.cast(args)
        done = self._called("execute_impl", data_structure, filled, Result)
        told = planned.result.warnings + done.warnings
        if done.invalid():
            return Result(done.errors, told)
        return Result(data_structure.faults() or None, told)

    def _called(self, name, data, args, kind):
        cancel = AtomicBoolProxy()
        try:
            return _one(kind)(getattr(self._filter.clone(), name)(data, dict(args), _one(IFilter.Message), cancel))
        finally:
            cancel.value = None


class PipelineFilter:
    def __init__(self, filter, args):
        self._filter, self._args = filter, filter.cast(args)

    def name(self):
        return self._filter.name()

    def get_args(self):
        return dict(self._args)

    def set_args(self, args):
        self._args = self._filter.cast(args)

    def to_json(self):
        known = self._filter._parameters.all
        args = {name: known[name].default for name in known} | self._args
        return {
            "args": {name: {"value": known[name].to_json(value), "version": 1} for name, value in args.items()},
            "filter": {"name": self.name(), "uuid": str(self._filter.uuid())},
        }


class Pipeline:
    def __init__(self, name="Untitled Pipeline"):
        self.name, self._filters = _text(name), []

    def append(self, filter, args=None):
        self._filters.append(PipelineFilter(PyFilter(_one(PyFilter)(filter)._filter.clone()), args or {}))

    def __len__(self):
        return len(self._filters)

    def __getitem__(self, index):
        return self._filters[_index(index)]

    def to_file(self, path):
        content = {"name": self.name, "pipeline": [item.to_json() for item in self._filters], "version": 1}
        Path(path).write_text(json.dumps(content), encoding="utf-8")

    @staticmethod
    def from_file(path):
        pipeline = Pipeline()
        for item in json.loads(Path(path).read_text(encoding="utf-8"))["pipeline"]:
            filter = PyFilter(_FILTERS[item["filter"]["uuid"]]())
            known = filter._parameters.all
            values = {name: item["args"][name]["value"] for name in known if name in item["args"]}
            of_path = {
                name: DataPath(value) for name, value in values.items() if isinstance(known[name], _PathParameter)
            }
            pipeline.append(filter, {name: known[name].default for name in known} | values | of_path)
        return pipeline


_FILTERS = {}
_PLUGINS = {}


def load_python_plugin(module):
    plugin = module.get_plugin()
    key = str(_one(Uuid)(plugin.id()))
    for text in (plugin.name(), plugin.description(), plugin.vendor()):
        _text(text)
    filters = {str(PyFilter(kind()).uuid()): kind for kind in _one(list)(plugin.get_filters())}
    if key in _PLUGINS or filters.keys() & _FILTERS.keys():
        raise RuntimeError(f"Plugin '{key}' already exists")
    _PLUGINS[key] = plugin
    _FILTERS.update(filters)


def unload_python_plugins():
    _PLUGINS.clear()
    _FILTERS.clear()


def get_python_filter_ids():
    return [Uuid(key) for key in _FILTERS]
