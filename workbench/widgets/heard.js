// What a model of a widget needs to hear its kernel however long its code took to start: anywidget gives it two seconds
// and then throws every message away, for good. A model that is asked for may also be made later than its reader.
const found = async (manager, id, attempts = 200) => {
  for (let attempt = 1; ; attempt++) {
    try {
      return await manager.get_model(id);
    } catch (error) {
      if (attempt >= attempts) throw error;
      await new Promise((done) => setTimeout(done, 50));
    }
  }
};

const heard = async (model) => {
  const whole = await found(model.widget_manager, model.get("own_id"));
  const plain = Object.getPrototypeOf(Object.getPrototypeOf(whole));
  whole.comm?.on_msg(plain._handle_comm_msg.bind(whole));
  return whole;
};
